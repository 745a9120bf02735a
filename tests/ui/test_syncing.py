"""The line that says how syncing fares."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from vehicle_demo.annotation.sync import State
from vehicle_demo.ui import syncing
from vehicle_demo.ui.labels import Labels
from vehicle_demo.ui.services import Services


@pytest.mark.parametrize(
    ("state", "says", "failed"),
    [
        (State("a/b"), "Reading back what a/b has.", False),
        (State("a/b", "T", begun=True), "Synced to a/b at {at}.", False),
        (State("a/b", "T", 1, begun=True), "1 change on the way to a/b, last synced at {at}.", False),
        (State("a/b", "T", 2, note="1 rows.", begun=True), "2 changes on the way to a/b, last synced at {at}. 1 rows.", False),  # noqa: E501
        (State("a/b", "", 2, "No.", begun=True), "Not synced to a/b: No. 2 changes kept on this server, sent again.", True),  # noqa: E501
        (State("a/b", "T", 0, "No.", begun=True), "Not synced to a/b: No. It is tried again.", True),
    ],
)  # fmt: skip
def test_what_the_line_says(state: State, says: str, failed: bool) -> None:
    assert syncing.line_of(state) == {"says": says, "at": state.at, "failed": failed}


def test_labels_are_synced_where_a_dataset_is_named(services: Services, tmp_path: Path) -> None:
    with gr.Blocks() as page:
        syncing.connect(services)
    (function,) = (fn for block in page.blocks.values() for fn in getattr(block, "server_fns", []))
    visitor = SimpleNamespace(scope={})
    assert function({}, visitor) == {}
    labels = Labels(services.labels.folder, "", services.labels.sample, str(tmp_path / "far"))
    services.labels.sync = labels.sync
    assert labels.sync is not None and labels.sync.once().problem == ""
    assert function({}, visitor)["says"] == f"Synced to {tmp_path / 'far'} at {{at}}."
    assert len(list((tmp_path / "far" / "pictures").rglob("*/*"))) == 3
