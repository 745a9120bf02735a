"""A line that says how labels fare that are kept far away too; static/sync.js puts it wherever `data-sync` is."""

from __future__ import annotations

from typing import Any

import gradio as gr

from vehicle_demo.annotation.sync import State
from vehicle_demo.ui.people import NotAllowedError, person_of
from vehicle_demo.ui.services import Services


def connect(services: Services) -> None:
    """The way of the page's script to the server."""

    def sync_state(_: Any, request: gr.Request) -> dict[str, Any]:
        """The line, and when it last went well; empty where nothing is synced, and for who may not write."""
        try:
            person_of(request)
        except NotAllowedError as error:
            return {"error": str(error)}
        sync = services.labels.sync
        return line_of(sync.state()) if sync is not None else {}

    gr.HTML("", js_on_load="vehicleDemo.syncServer(server);", server_functions=[sync_state], elem_classes="vd-sender")


def line_of(state: State) -> dict[str, Any]:
    """`says` has `{at}` for the time `at`, which the browser knows how to write; `failed` when it went wrong."""
    waits = f"{state.waiting} change{'s' * (state.waiting != 1)}" if state.waiting else ""
    if state.problem:
        rest = f" {waits} kept on this server, sent again." if waits else " It is tried again."
        says = f"Not synced to {state.where}: {state.problem}{rest}"
    elif not state.begun:
        says = f"Reading back what {state.where} has."
    elif waits:
        says = f"{waits} on the way to {state.where}, last synced at {{at}}."
    else:
        says = f"Synced to {state.where} at {{at}}."
    return {"says": " ".join(filter(None, (says, state.note))), "at": state.at, "failed": bool(state.problem)}
