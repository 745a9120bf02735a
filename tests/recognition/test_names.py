"""Make and type of a model's name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vehicle_demo.recognition.checkpoint import Labels, load_checkpoint
from vehicle_demo.recognition.names import implied

CHECKPOINT = Path(__file__).parents[2] / "checkpoints/vehicledino-nano"


@pytest.mark.parametrize(
    ("model", "make", "type"),
    [
        ("Audi TT Hatchback 2011", "Audi", "hatchback"),
        ("AM General Hummer SUV 2000", "AM General", "suv"),
        ("Chrysler 300 SRT-8 2010", "Chrysler", "sedan"),
        ("Ford F-150 Regular Cab 2012", "Ford", "pickup"),
        ("Nonsense", None, None),
        ("", None, None),
    ],
)
def test_a_name_settles_make_and_type(model: str, make: str | None, type: str | None) -> None:
    assert implied(model, load_checkpoint(CHECKPOINT).labels) == {"type": type, "make": make}


def test_all_names_of_the_shipped_checkpoint_settle_both() -> None:
    labels = load_checkpoint(CHECKPOINT).labels
    assert len(labels.models) == len(json.loads((CHECKPOINT / "checkpoint.json").read_text())["labels"]["models"])
    real = [model for model in labels.models if model not in labels.drawn]
    assert len(real) == 196 and [model for model in real if None in implied(model, labels).values()] == []


def test_the_longest_make_of_a_list_counts() -> None:
    labels = Labels(types=("suv",), makes=("Great", "Great Wall"))
    assert implied("Great Wall Haval SUV 2012", labels) == {"type": "suv", "make": "Great Wall"}
    assert implied("model a", labels) == {"type": None, "make": None}
