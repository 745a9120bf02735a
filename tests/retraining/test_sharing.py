"""A version as a zip and in a model repository: whole, described, and of use in another home."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fake_hub import FakeHub, fake_hub
from tests.retraining.drawn_heads import versions
from vehicle_demo.annotation.remote import FolderRemote, HubRemote, RemoteError
from vehicle_demo.retraining.sharing import HEADS, push, zip_of
from vehicle_demo.retraining.versions import BUILT_IN, VersionError


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    with fake_hub() as hub:
        hub.kind, hub.repo = "model", "someone/heads"
        yield hub


def test_a_zip_answers_in_another_home(tmp_path: Path) -> None:
    found = versions(tmp_path / "here", 1)
    (name,) = found.names()
    other = versions(tmp_path / "there")
    zipfile.ZipFile(io.BytesIO(zip_of(found, name))).extractall(other.folder)
    other.promote(name, "bob", BUILT_IN)
    heads = other.current()
    assert heads is not None and heads.version == name
    np.testing.assert_array_equal(heads["model"].weight, found.load(name)["model"].weight)
    assert "fitted from built-in by ada" in (other.folder / name / "README.md").read_text()
    assert zip_of(found, name) == zip_of(found, name)


def test_a_version_is_pushed_to_a_model_repository(tmp_path: Path, hub: FakeHub) -> None:
    found = versions(tmp_path / "drawn-nano-1", 2)
    remote = HubRemote(hub.repo, endpoint=hub.url, token="hf_made_up", kind=HEADS)
    for name in found.names():
        push(found, name, remote)
    assert hub.created and hub.private and hub.commits == 2
    for name in found.names():
        assert hub.files[f"drawn-nano-1/{name}/heads.safetensors"] == found.files(name)["heads.safetensors"]
    assert f"# Heads {found.names()[-1]} of drawn-nano 1" in hub.files["README.md"].decode()
    assert remote.read("README.md") == hub.files["README.md"]


def test_a_public_repository_is_the_owners_choice(tmp_path: Path, hub: FakeHub) -> None:
    hub.created, hub.private = True, False
    found = versions(tmp_path, 1)
    push(found, found.names()[0], HubRemote(hub.repo, endpoint=hub.url, token="hf_made_up", kind=HEADS))
    assert hub.commits == 1


def test_what_is_refused_is_said_so(tmp_path: Path, hub: FakeHub) -> None:
    found = versions(tmp_path, 1)
    (name,) = found.names()
    hub.status = 401
    with pytest.raises(RemoteError, match="does not let this app write to someone/heads"):
        push(found, name, HubRemote(hub.repo, endpoint=hub.url, token="hf_made_up", kind=HEADS))
    with pytest.raises(RemoteError, match=r"VEHICLE_DEMO_MODEL names no model: no/such/name\. Write owner/name"):
        push(found, name, HubRemote("no/such/name", endpoint=hub.url, token="hf_made_up", kind=HEADS))


def test_nothing_damaged_leaves_the_house(tmp_path: Path) -> None:
    found = versions(tmp_path / "heads", 1)
    (name,) = found.names()
    (found.folder / name / "heads.safetensors").write_bytes(b"damaged")
    for share in (lambda: zip_of(found, name), lambda: push(found, name, FolderRemote(tmp_path / "far"))):
        with pytest.raises(VersionError, match="its checksum has changed"):
            share()
    assert not (tmp_path / "far").exists()
