"""A checkpoint of a small random network whose backbone can be adapted, pictures to do so beside, and corrections."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image, ImageDraw

from data_tools import __main__ as commands
from tests.retraining.files import Said, write_corrections
from vehicle_demo.models.files import RUN_FILE
from vehicle_demo.models.onnx_graph import export_graph
from vehicle_demo.models.vehicledino import PRESETS, VehicleDINO
from vehicle_demo.models.weights import keep_weights
from vehicle_demo.retraining.training_pictures import PICTURES_FILE

KNOWN = {"Aria Sedan": (220, 40, 40), "Aria Van": (40, 220, 40), "Boreal SUV": (40, 40, 220)}
NEW = {"Ember E1": (220, 220, 40), "Ember E2": (220, 40, 220)}
_SIZE = (96, 64)


def drawn(colour: Sequence[int], seed: int) -> bytes:
    """A block of nearly this colour on a street."""
    draw = np.random.default_rng(seed)
    image = Image.new("RGB", _SIZE, tuple(int(v) for v in draw.integers(60, 180, 3)))
    shade = np.clip(np.array(colour) + draw.integers(-30, 30, 3), 0, 255)
    x, y = draw.integers(0, 20, 2)
    ImageDraw.Draw(image).rectangle((x, y, x + 70, y + 40), fill=tuple(int(v) for v in shade))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def truth(model: str) -> dict[str, str]:
    make, kind = model.split()
    return {"type": kind.lower() if make != "Ember" else "van", "make": make, "model": model}


def write_adaptable(folder: Path, data: Path) -> Path:
    """The checkpoint, with its bank of the pictures in `data`."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    config = replace(
        PRESETS["nano"], image_size=64, width=32, feed_forward=32, decoder_layers=1, queries=10, attribute_size=48,
        attribute_channels=64, attribute_features=32, embedding=16, types=3, makes=2, models=3,
    )  # fmt: skip
    network = VehicleDINO(config)
    # What normalisation is to expect, of which a random network knows nothing.
    for _ in range(20):
        network.named_backbone(torch.randn(8, 3, 48, 48))
    run = {"model": config.to_dict()}
    (folder / RUN_FILE).write_text(json.dumps(run))
    keep_weights(network, folder)
    export_graph(network, folder / "model.onnx")
    names = [truth(model) for model in KNOWN]
    labels = {f"{task}s": list(dict.fromkeys(one[task] for one in names)) for task in ("type", "make", "model")}
    labels["categories"] = ["car", "suv", "truck", "bus", "van", "motorcycle"]
    values = {"format": 1, "name": "small", "version": "1", "graphs": {"fp32": "model.onnx"}, "labels": labels}
    (folder / "checkpoint.json").write_text(json.dumps(values))
    commands.main(["replay-bank", f"--checkpoint={folder}", f"--data={data}"])
    return folder


def write_pictures(folder: Path) -> Path:
    """Pictures of the known models: 60 that were trained on and 30 that were not."""
    folder.mkdir(parents=True)
    rows = [
        {
            "image": {"bytes": drawn(colour, 1000 * place + number), "path": f"{place}-{number}.png"},
            "split": "train" if number < 20 else "validation",
            **{column: truth(model)[task] for column, task in (("type", "type"), ("make", "make"), ("name", "model"))},
        }
        for place, (model, colour) in enumerate(KNOWN.items())
        for number in range(30)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / PICTURES_FILE)
    return folder


def write_said(folder: Path) -> Path:
    """People said of forty pictures that they show one of two new models."""
    return write_corrections(folder, list(_said()))


def _said() -> Iterator[Said]:
    for place, (model, colour) in enumerate(NEW.items()):
        for number in range(40):
            yield Said(drawn(colour, 9000 + 100 * place + number), (0.0, 0.0, 96.0, 64.0), truth(model))
