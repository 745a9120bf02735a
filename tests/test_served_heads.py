"""The running app answers by what another process promotes, and as before once that is rolled back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gradio_client import Client, handle_file

from data_tools.serving import PROJECT, ServedApp
from vehicle_demo.recognition import Recognizer
from vehicle_demo.recognition.heads import Head
from vehicle_demo.retraining.retrain import versions_of
from vehicle_demo.retraining.shipped import built_in_heads
from vehicle_demo.retraining.versions import BUILT_IN, About


def test_heads_version_follows_promotion_and_roll_back_without_a_restart(
    app: ServedApp, home: Path, photo: Path
) -> None:
    client = Client(app.url, verbose=False)

    def answer() -> dict[str, Any]:
        found: dict[str, Any] = client.predict(handle_file(str(photo)), "", api_name="/recognize")
        del found["timings_ms"]
        return found

    recognizer = Recognizer.from_checkpoint(PROJECT / "checkpoints" / "vehicledino-nano")
    own = built_in_heads(recognizer.checkpoint)
    lengths = {task: len(head.names) for task, head in own.items()}
    renamed = {
        task: Head(tuple(f"{task} {n}" for n in range(lengths[task])), -head.weight, -head.bias)
        for task, head in own.items()
    }
    versions = versions_of(home, recognizer)
    name = versions.add(renamed, About(BUILT_IN, "", {}, {}, "ada")).name
    before = answer()
    assert before["heads_version"] == BUILT_IN
    versions.promote(name, "ada", BUILT_IN)
    try:
        after = answer()
    finally:
        versions.roll_back("ada", name)
    assert after["heads_version"] == name
    assert all(vehicle["model"][0]["label"].startswith("model ") for vehicle in after["vehicles"])
    assert np.allclose(after["vehicles"][0]["embedding"], before["vehicles"][0]["embedding"])
    assert answer() == before
