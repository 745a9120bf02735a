"""Plates that people read, and what ships with a checkpoint to teach its plate reader's last layer from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from vehicle_demo.annotation.corrections import PLATES_FILE, split_of
from vehicle_demo.annotation.store import ANSWER
from vehicle_demo.recognition import ImageError, Recognizer
from vehicle_demo.recognition.checkpoint import CheckpointError
from vehicle_demo.recognition.heads import Head
from vehicle_demo.recognition.plates import CHARACTERS, SLOTS, plate_slots
from vehicle_demo.recognition.results import Box
from vehicle_demo.retraining.cache import Cache
from vehicle_demo.retraining.shipped import RetrainError, reader_sha256

PLATE_BANK_FILE: Final = "plates.safetensors"
_PARTS = ("replay", "holdout")
_COLUMNS = ("picture", "box", "corners", "status", "text", "predicted")


@dataclass(frozen=True)
class ReadPlate:
    """A plate that somebody read: its picture's SHA-256, its box in pixels, the `text`, and what the reader said.

    `part` is what it is for, as of a `Correction`.
    """

    part: str
    picture: str
    box: Box
    text: str
    predicted: str


@dataclass(frozen=True, eq=False)
class PlateExamples:
    """What the last layer reads of N plates, (N, 8, F) float32, and their texts (N,); `-` is not known."""

    features: np.ndarray
    texts: np.ndarray

    def __len__(self) -> int:
        return len(self.features)

    def where(self, chosen: np.ndarray) -> PlateExamples:
        """Some of them, by a mask (N,) or by their numbers."""
        return PlateExamples(self.features[chosen], self.texts[chosen])

    def joined(self, other: PlateExamples) -> PlateExamples:
        """These and the others after them."""
        return PlateExamples(np.concatenate([self.features, other.features]), np.concatenate([self.texts, other.texts]))

    @property
    def slots(self) -> np.ndarray:
        """(N, 8) int64: the column of each slot's character, -1 where it is not known."""
        return np.array([plate_slots(text) for text in self.texts.tolist()], np.int64).reshape(-1, SLOTS)


@dataclass(frozen=True, eq=False)
class PlateBank:
    """The last layer that a reader ships with, plates of its training to keep fresh, and those to measure on."""

    characters: Head
    replay: PlateExamples
    holdout: PlateExamples


def read_plates(folder: Path) -> tuple[ReadPlate, ...]:
    """The plates of a corrections data set that have a text, without their pictures. Raises RetrainError."""
    return tuple(map(_read_plate, _rows(folder, _COLUMNS)))


def described_plates(
    recognizer: Recognizer, folder: Path, cache: Cache
) -> tuple[list[ReadPlate], PlateExamples, tuple[str, ...]]:
    """Those plates as the reader sees them.

    Args:
        cache: of what the reader's last layer reads.

    Returns:
        The plates that could be used, their examples, and why others could not.

    Raises:
        RetrainError: the data set cannot be read.
        CheckpointError: the checkpoint has no reader that tells what its last layer reads.
    """
    if (reader := recognizer.reader) is None:
        raise CheckpointError(f"{recognizer.checkpoint.name} has no plate reader.")
    length = SLOTS * reader.features
    usable: list[ReadPlate] = []
    features: list[np.ndarray] = []
    bad: list[str] = []
    for values in _rows(folder, ["image", *_COLUMNS]):
        plate = _read_plate(values)
        corners = tuple((float(x), float(y)) for x, y in values["corners"])
        found = cache.get(plate.picture, corners, length)
        if found is None:
            try:
                seen = recognizer.prepare_plate(values["image"]["bytes"], corners)
            except ImageError as error:
                bad.append(f"plate in picture {plate.picture[:12]}: {error}")
                continue
            found = reader.describe([seen]).ravel()
            cache.put(plate.picture, corners, found)
        usable.append(plate)
        features.append(found)
    rows = np.array(features, np.float32).reshape(-1, SLOTS, reader.features)
    return usable, PlateExamples(rows, np.array([plate.text for plate in usable], np.str_)), tuple(bad)


def write_plate_bank(path: Path, reader: str, bank: PlateBank) -> None:
    """Write a bank for the reader with this digest: features in half precision, no pictures."""
    from safetensors.numpy import save_file

    tensors = {"weight": bank.characters.weight, "bias": bank.characters.bias}
    parts = dict(zip(_PARTS, (bank.replay, bank.holdout), strict=True))
    tensors |= {f"{name}.features": part.features.astype(np.float16) for name, part in parts.items()}
    texts = {name: part.texts.tolist() for name, part in parts.items()}
    save_file(tensors, path, {"reader": reader, "texts": json.dumps(texts)})


def read_plate_bank(recognizer: Recognizer) -> PlateBank:
    """The bank that ships with a checkpoint.

    Raises:
        RetrainError: its plates cannot be taught: it has no reader, no bank, or one that was made with another reader.
    """
    from safetensors import SafetensorError, safe_open

    checkpoint, reader = recognizer.checkpoint, recognizer.reader
    path = checkpoint.folder / PLATE_BANK_FILE
    make = f"Make it with `python -m data_tools plate-bank --checkpoint {checkpoint.folder} --data DIR`."
    if reader is None:
        raise RetrainError(f"{checkpoint.name} has no plate reader of its own, so plates teach nothing.")
    if not reader.features or not path.exists():
        raise RetrainError(f"{checkpoint.name} comes without {PLATE_BANK_FILE}, so plates teach nothing yet. {make}")
    try:
        with safe_open(path, "np") as file:
            about = file.metadata() or {}
            if about.get("reader") != reader_sha256(checkpoint):
                raise RetrainError(f"{path} was made with another plate reader than {checkpoint.name} has. {make}")
            texts = json.loads(about["texts"])
            parts = [
                PlateExamples(
                    file.get_tensor(f"{part}.features").astype(np.float32), np.array(texts[part], dtype=np.str_)
                )
                for part in _PARTS
            ]
            characters = Head(CHARACTERS, file.get_tensor("weight"), file.get_tensor("bias"))
    except (OSError, SafetensorError, CheckpointError, KeyError, ValueError) as error:
        raise RetrainError(f"{path} cannot be read ({error}). {make}") from error
    return PlateBank(characters, *parts)


def plates_trouble(recognizer: Recognizer) -> str:
    """Why plates cannot teach this checkpoint's reader; empty where they can."""
    try:
        read_plate_bank(recognizer)
    except RetrainError as error:
        return str(error)
    return ""


def _read_plate(values: Mapping[str, Any]) -> ReadPlate:
    picture = values["picture"]
    return ReadPlate(split_of(picture), picture, Box(*values["box"]), values["text"], values["predicted"])


def _rows(folder: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows that have a text; none where the folder has no such file."""
    # Costs a third of a second, and the app starts without it.
    import pyarrow as pa
    import pyarrow.parquet as parquet

    path = folder / PLATES_FILE
    if not path.exists():
        return
    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=32, columns=list(columns)):
            for values in batch.to_pylist():
                if values["status"] == ANSWER and values["text"]:
                    yield values
    except (OSError, pa.ArrowException, KeyError) as error:
        raise RetrainError(f"{path} cannot be read ({error}). Export the corrections again.") from error
