"""The app, started once for all tests that need it running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest

from data_tools.in_browser import installed_runtime
from data_tools.pictures import windows
from data_tools.serving import ServedApp, served_app
from tests.drawn_gallery import fill_home


@pytest.fixture(scope="session", autouse=True)
def nobody_s_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a test keeps without saying where goes nowhere near what the developer keeps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VEHICLE_DEMO_HOME", str(tmp_path_factory.mktemp("nobody")))
        yield


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of `app`: the gallery `drawn` is there, 20 vehicles before six cameras each."""
    home = tmp_path_factory.mktemp("home")
    fill_home(home, "drawn", 120)
    return home


@pytest.fixture(scope="session")
def app(home: Path) -> Iterator[ServedApp]:
    """`python app.py` with the shipped checkpoint; its page for the browser takes the runtime from here, if it can."""
    with pytest.MonkeyPatch.context() as patch:
        with suppress(FileNotFoundError, ValueError):
            patch.setenv("VEHICLE_DEMO_ORT_WEB", str(installed_runtime()))
        with served_app(home=home) as running:
            yield running


@pytest.fixture(scope="session")
def runtime() -> Path:
    """ONNX Runtime Web, which npm fetches once."""
    try:
        return installed_runtime()
    except (FileNotFoundError, ValueError) as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered photo with vehicles near the camera, not among the examples."""
    path = tmp_path_factory.mktemp("photos") / "street.jpg"
    next(islice(windows(), 21, None)).save(path, quality=90)
    return path
