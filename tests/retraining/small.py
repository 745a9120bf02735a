"""A small checkpoint that can be retrained: a drawn graph with weights and a replay bank, and corrections for it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

from tests.graphs import write_checkpoint
from tests.retraining.drawn_heads import heads
from tests.retraining.files import Said, write_corrections
from vehicle_demo.models.files import WEIGHTS_FILE
from vehicle_demo.recognition import Recognizer
from vehicle_demo.recognition.heads import TENSORS
from vehicle_demo.retraining.shipped import BANK_FILE, Bank, Examples, write_bank


def write_retrainable(folder: Path) -> Path:
    """A checkpoint folder with everything that retraining needs, all of it drawn at random."""
    write_checkpoint(folder, name="drawn-nano")
    checkpoint = Recognizer.from_checkpoint(folder).checkpoint
    own = heads(0)
    save_file(
        {f"attributes.{task}s.{part}": getattr(own[task], part) for task in TENSORS for part in ("weight", "bias")},
        folder / WEIGHTS_FILE,
    )
    write_bank(folder / BANK_FILE, checkpoint, Bank(_examples(checkpoint, 80, 1), _examples(checkpoint, 40, 2)))
    return folder


def _examples(checkpoint: object, count: int, seed: int) -> Examples:
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(count, 32)).astype(np.float32)
    named = {task: head.own_logits(features).argmax(axis=1) for task, head in heads(0).items()}
    labels = checkpoint.labels  # type: ignore[attr-defined]
    return Examples(
        features,
        {task: np.array(getattr(labels, f"{task}s"))[named[task]] for task in TENSORS},
    )


def write_said(folder: Path, count: int = 40) -> Path:
    """Corrections of so many grey pictures: half of them show a new model."""
    rows = []
    for shade in range(count):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), (shade * 5, shade * 5, shade * 5)).save(buffer, "PNG")
        truth = {"type": "type a", "make": "Ember", "model": "Ember E1" if shade % 2 else "model b"}
        rows.append(Said(buffer.getvalue(), (4.0, 4.0, 60.0, 44.0), truth))
    return write_corrections(folder, rows)


def read_lines(text: str) -> list[dict]:
    """JSON lines."""
    return [json.loads(line) for line in text.splitlines()]
