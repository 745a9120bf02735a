"""A checkpoint whose plate reader can be taught, and plates that somebody read, all of them drawn."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from data_tools.drawing.plates import Layout
from data_tools.plate_bank import examples
from data_tools.reader_graph import give_features
from data_tools.training.plates import close_up
from vehicle_demo.annotation.items import NewItem
from vehicle_demo.annotation.store import ANSWER, Said, Store
from vehicle_demo.recognition import Box, Recognizer, load_checkpoint
from vehicle_demo.recognition.heads import Head
from vehicle_demo.recognition.plates import ALPHABET, CHARACTERS
from vehicle_demo.recognition.reader import Reader
from vehicle_demo.recognition.rectify import corners_of
from vehicle_demo.retraining.plates import PLATE_BANK_FILE, PlateBank, write_plate_bank
from vehicle_demo.retraining.shipped import reader_sha256

SHIPPED = Path(__file__).parents[2] / "checkpoints" / "vehicledino-nano"
# What the layer of `withholding` does not know, and no plate of the bank has.
WITHHELD = "7W"
_STYLE = Layout("any", (430, 112), "AA9 999A", (242, 243, 240), (16, 16, 18))


def plates(seed: int, withheld: bool) -> Iterator[tuple[Image.Image, str]]:
    """Plates of one style on bodywork with their texts, all of them with a withheld character, or none."""
    number = 0
    while True:
        image, text = close_up(np.random.default_rng((seed, number)), _STYLE)
        if bool(set(text) & set(WITHHELD)) == withheld:
            yield image, text
        number += 1


def write_teachable(folder: Path) -> Path:
    """The shipped checkpoint with a reader that tells what its last layer reads, and a bank of drawn plates."""
    folder.mkdir(parents=True)
    for path in SHIPPED.iterdir():
        if path.name not in ("reader.onnx", PLATE_BANK_FILE):
            (folder / path.name).symlink_to(path)
    graph = folder / "reader.onnx"
    shutil.copy(SHIPPED / graph.name, graph)
    own = Head(CHARACTERS, *give_features(graph))
    reader = Reader(graph)
    parts = (examples(reader, islice(plates(seed, withheld=False), count)) for seed, count in ((1, 160), (2, 120)))
    write_plate_bank(folder / PLATE_BANK_FILE, reader_sha256(load_checkpoint(folder)), PlateBank(own, *parts))
    return folder


def withholding(layer: Head) -> Head:
    """The layer with rows for the withheld characters that know no more than one that was never taught."""
    columns = [ALPHABET.index(character) for character in WITHHELD]
    weight, bias = layer.weight.copy(), layer.bias.copy()
    weight[columns], bias[columns] = 0, bias.min() - 4
    return Head(layer.names, weight, bias)


def fill(store: Store, recognizer: Recognizer, count: int) -> list[tuple[bytes, Box, str]]:
    """Somebody reads so many plates with a withheld character; the pictures, where the plates are, and the texts."""
    found = []
    for place, (image, text) in enumerate(islice(plates(3, withheld=True), count)):
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        box = Box(0, 0, *image.size)
        reading = recognizer.read_plate(image, corners_of(box))
        checkpoint = recognizer.checkpoint
        item = NewItem(
            buffer.getvalue(), corners_of(box), None, reading, checkpoint.title, checkpoint.heads_version, "drawn"
        )
        (number,) = store.add([item])
        store.record(Said(number, "ada", ANSWER, f"plate {place}", text))
        found.append((buffer.getvalue(), box, text))
    return found
