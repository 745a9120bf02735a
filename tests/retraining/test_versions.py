"""Versions of heads: written whole, verified, promoted by one file; what goes wrong is said and harms nobody."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.retraining.drawn_heads import ABOUT, heads, versions
from vehicle_demo.retraining.versions import BUILT_IN, VersionError, Versions

PROJECT = Path(__file__).parents[2]


def answering(found: Versions) -> str:
    current = found.current()
    return current.version if current else BUILT_IN


def test_a_version_comes_back_as_it_was_written(tmp_path: Path) -> None:
    found = versions(tmp_path / "heads")
    written = heads(3, extra=2)
    written["make"] = replace(written["make"], temperature=1.7)
    version = found.add(written, replace(ABOUT, settings={"rate": 0.5}, figures={"model": {"top1": [0.5, 0.75]}}))
    read = found.load(version.name)
    assert read.version == version.name and version.name.startswith("v1-")
    for task, head in read.items():
        assert head.names == written[task].names and head.names[-1] == f"new {task} 1"
        np.testing.assert_array_equal(head.weight, written[task].weight)
        np.testing.assert_array_equal(head.bias, written[task].bias)
        assert head.temperature == (1.7 if task == "make" else 1.0)
    assert found.about(version.name) == version and version.about.person == "ada"


def test_what_models_imply_comes_back_too(tmp_path: Path) -> None:
    implying = heads(3)
    implying["make"] = replace(implying["make"], of_model=np.array([0, 1, 2, 3, 4, -1, 0]))
    found = versions(tmp_path)
    back = found.load(found.add(implying, ABOUT).name)
    np.testing.assert_array_equal(back["make"].of_model, implying["make"].of_model)
    assert back["type"].of_model is None


def test_versions_are_numbered_and_the_newest_comes_first(tmp_path: Path) -> None:
    found = versions(tmp_path, 11)
    assert [name.split("-")[0] for name in found.names()] == [f"v{number}" for number in range(11, 0, -1)]


def test_nobody_answers_by_a_version_until_it_is_promoted_and_rolling_back_goes_one_by_one(tmp_path: Path) -> None:
    found = versions(tmp_path, 2)
    second, first = found.names()
    assert answering(found) == BUILT_IN
    found.promote(first, "ada", BUILT_IN)
    assert answering(found) == first
    found.promote(second, "bob", first)
    assert answering(found) == second
    found.roll_back("ada", second)
    assert answering(found) == first
    found.roll_back("ada", first)
    assert answering(found) == BUILT_IN and found.current() is None
    with pytest.raises(VersionError, match="nothing to roll back"):
        found.roll_back("ada", BUILT_IN)
    actions = [(event.action, event.version, event.person) for event in found.state().events]
    assert actions == [
        ("promote", first, "ada"), ("promote", second, "bob"), ("roll back", first, "ada"),
        ("roll back", BUILT_IN, "ada"),
    ]  # fmt: skip


def test_the_built_in_heads_can_be_promoted_and_rolled_back(tmp_path: Path) -> None:
    found = versions(tmp_path, 1)
    (name,) = found.names()
    found.promote(name, "ada", BUILT_IN)
    found.promote(BUILT_IN, "ada", name)
    assert found.current() is None and answering(found) == BUILT_IN
    found.roll_back("ada", BUILT_IN)
    assert answering(found) == name


def test_what_another_process_promotes_answers_here(tmp_path: Path) -> None:
    found = versions(tmp_path, 1)
    (name,) = found.names()
    assert answering(found) == BUILT_IN
    code = (
        "import sys; from pathlib import Path; from vehicle_demo.retraining.versions import Versions\n"
        "Versions(Path(sys.argv[1]), 'drawn-nano 1', 32).promote(sys.argv[2], 'ada', 'built-in')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), name], check=True, cwd=PROJECT)
    assert answering(found) == name


def test_heads_are_read_once_and_not_at_every_call(tmp_path: Path) -> None:
    found = versions(tmp_path, 1)
    found.promote(found.names()[0], "ada", BUILT_IN)
    assert found.current() is found.current()


def test_of_two_who_promote_at_once_the_second_is_told(tmp_path: Path) -> None:
    names = versions(tmp_path, 8).names()

    def promote(number: int) -> str:
        # Each browser may be served by a process of its own.
        try:
            return versions(tmp_path).promote(names[number], f"person {number}", BUILT_IN).answering
        except VersionError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(promote, range(8)))
    found = versions(tmp_path)
    (winner,) = set(said) & set(names)
    assert answering(found) == winner and len(found.state().events) == 1
    person = found.state().events[0].person
    assert sum(f"Meanwhile {person} chose otherwise: {winner} answers now" in one for one in said) == 7


def test_a_pinned_version_stays(tmp_path: Path) -> None:
    found = versions(tmp_path, 2)
    second, first = found.names()
    found.promote(first, "ada", BUILT_IN)
    found.pin("ada", True)
    for change in (lambda: found.promote(second, "bob", first), lambda: found.roll_back("bob", first)):
        with pytest.raises(VersionError, match=f"{first} is pinned. Unpin it"):
            change()
    assert answering(found) == first
    found.pin("bob", False)
    assert found.promote(second, "bob", first).answering == second


def test_what_is_discarded_stays_and_can_still_be_promoted(tmp_path: Path) -> None:
    found = versions(tmp_path, 2)
    second, first = found.names()
    assert found.discard(first, "ada").discarded == (first,)
    found.promote(first, "ada", BUILT_IN)
    assert found.state().discarded == ()
    with pytest.raises(VersionError, match=f"{first} answer. Promote another"):
        found.discard(first, "ada")
    assert found.names() == [second, first]


@pytest.mark.parametrize("how", ["flipped", "cut", "gone", "nonsense about", "foreign", "other size", "format"])
def test_a_version_that_cannot_be_used_is_said_so_and_the_last_good_one_answers(tmp_path: Path, how: str) -> None:
    found = versions(tmp_path, 2)
    second, first = found.names()
    found.promote(first, "ada", BUILT_IN)
    before = found.current()
    running = versions(tmp_path)
    assert answering(running) == first
    found.promote(second, "ada", first)
    path, about = tmp_path / second / "heads.safetensors", tmp_path / second / "version.json"
    content = path.read_bytes()
    values = json.loads(about.read_text())
    if how == "flipped":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "gone":
        path.unlink()
    elif how == "nonsense about":
        about.write_text("[]")
    elif how == "foreign":
        about.write_text(json.dumps({**values, "checkpoint": "another 2"}))
    elif how == "format":
        about.write_text(json.dumps({**values, "format": 1}))
    else:
        about.write_text(json.dumps({**values, "features": 16}))
    for one in (running, versions(tmp_path)):  # one that runs, one that starts with it
        assert answering(one) == first
        assert "Promote" in one.trouble and f"The heads {first} go on answering." in one.trouble
    heads_now = running.current()
    assert before is not None and heads_now is not None
    np.testing.assert_array_equal(heads_now["model"].weight, before["model"].weight)
    found = versions(tmp_path)
    found.roll_back("ada", second)
    assert found.trouble == "" and answering(found) == first
    with pytest.raises(VersionError):
        found.promote(second, "ada", first)


def test_a_damaged_pointer_is_said_so_and_the_running_heads_stay(tmp_path: Path) -> None:
    found = versions(tmp_path, 1)
    (name,) = found.names()
    found.promote(name, "ada", BUILT_IN)
    assert answering(found) == name
    (tmp_path / "promoted.json").write_text("{")
    assert answering(found) == name and "promoted.json is damaged" in found.trouble
    fresh = versions(tmp_path)
    assert answering(fresh) == BUILT_IN and "The heads built-in go on answering." in fresh.trouble
    with pytest.raises(VersionError, match="Take it away"):
        fresh.promote(name, "ada", BUILT_IN)


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = versions(tmp_path, 1)
    (name,) = found.names()
    found.promote(name, "ada", BUILT_IN)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for write in (lambda: found.add(heads(5), ABOUT), lambda: found.roll_back("ada", name)):
            with pytest.raises(VersionError, match=r"No space left on device.*Nothing was changed: free some room"):
                write()
    assert found.names() == [name] and answering(versions(tmp_path)) == name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "promoted.json", name]


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    found = versions(tmp_path, 1)
    (tmp_path / ".part-killed").mkdir()
    (tmp_path / ".part-killed" / "heads.safetensors").write_bytes(b"half")
    assert len(found.names()) == 1
    found.add(heads(1), ABOUT)
    assert not list(tmp_path.glob(".part-*")) and len(found.names()) == 2


@pytest.mark.parametrize("name", ["../../etc", "v1", "", "v1-abcdef/..", "v9-abcdef"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    found = versions(tmp_path, 1)
    for use in (lambda: found.load(name), lambda: found.promote(name, "ada", BUILT_IN)):
        with pytest.raises(VersionError, match=r"There are no heads .*Choose one of: v1-.*built-in"):
            use()
