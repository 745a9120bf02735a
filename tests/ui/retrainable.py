"""An app whose checkpoint can be retrained, and its Retrain tab as the page's script asks it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.retraining.small import write_retrainable
from vehicle_demo.ui.retrain import served
from vehicle_demo.ui.services import Services, find_services

VISITOR = SimpleNamespace(scope={})
Ask = Callable[..., dict[str, Any]]


def new_app(folder: Path) -> Services:
    """The app with a small checkpoint drawn at random, in an empty home."""
    write_retrainable(folder / "checkpoints" / "nano")
    return opened(folder)


def opened(folder: Path) -> Services:
    """The app in this folder, started anew."""
    return find_services(folder / "checkpoints", folder, folder / "home")


def asking(services: Services) -> Ask:
    """Asks the tab and gives its answer, the parts of the page beside the rest."""
    look, do, _ = served(services)

    def told(action: str, **more: Any) -> dict[str, Any]:
        found = look(more, VISITOR) if action == "look" else do({"action": action, **more}, VISITOR)
        return {**found, **found["parts"]}

    return told
