"""Arrows between the rooms run one way, and what serves pictures does without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "vehicle_demo"
# A room may import itself and those below it.
BELOW = {
    "recognition": set(),
    "durable": set(),
    "pictures": {"durable"},
    "gallery": {"pictures", "recognition"},
    "models": set(),
    "annotation": {"pictures", "recognition"},
    "retraining": {"recognition", "annotation", "models"},
    "ui": {"home", "durable", "recognition", "gallery", "annotation", "retraining"},
}
HEAVY = {"torch", "timm", "peft", "transformers"}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "vehicle_demo" and len(parts) > 1 else None


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_room_imports_a_room_above_it(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room not in BELOW:
        return
    rooms = {room_of(module) for module in imports_of(path)} - {None, room}
    assert rooms <= BELOW[room]
    tops = {module.split(".")[0] for module in imports_of(path)}
    assert not tops & {"data_tools", "app", "tests"}
    if room in ("recognition", "gallery", "annotation", "ui"):
        assert not tops & HEAVY
    if room in ("recognition", "gallery", "annotation"):
        assert "gradio" not in tops


def test_the_app_is_imported_and_built_without_what_is_slow_to_import() -> None:
    code = "import sys, app; app.shell.build(app.find_services()); print({'torch', 'cleanlab'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT)
    assert result.stdout.strip() == "set()", result.stderr
