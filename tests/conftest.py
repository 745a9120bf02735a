"""The app, started once for all tests that need it running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from data_tools.drawing import UNSEEN, draw_scene
from data_tools.serving import ServedApp, served_app


@pytest.fixture(scope="session")
def app() -> Iterator[ServedApp]:
    """`python app.py` with the shipped checkpoint."""
    with served_app() as running:
        yield running


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn photo with vehicles near the camera, not among the examples."""
    path = tmp_path_factory.mktemp("photos") / "street.jpg"
    draw_scene(UNSEEN + 100, size=(1280, 960), vehicles=4).image.save(path, quality=90)
    return path
