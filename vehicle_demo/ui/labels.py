"""The label store that the tabs share: opened at its first use, and filled with the sample's plates."""

from __future__ import annotations

import atexit
import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread

from PIL import Image

from vehicle_demo.annotation.corrections import write_dataset
from vehicle_demo.annotation.items import PARTS, NewItem
from vehicle_demo.annotation.publishing import publish
from vehicle_demo.annotation.queue import Queue
from vehicle_demo.annotation.remote import remote_named
from vehicle_demo.annotation.review import Review, label_errors
from vehicle_demo.annotation.store import Store, StoreError
from vehicle_demo.annotation.sync import Sync
from vehicle_demo.annotation.urgency import Urgency
from vehicle_demo.recognition import ImageError, Recognizer, Vehicle, open_image
from vehicle_demo.recognition.rectify import corners_of
from vehicle_demo.recognition.results import Box, PlateReading
from vehicle_demo.ui.intake import RECOGNISE

# Of the time that looking for wrong labels took, this many times is rest.
_REST = 10
# Where a plate is looked for on a vehicle without one: shares of its box.
_USUAL = Box(0.35, 0.65, 0.65, 0.8)


@dataclass
class Labels:
    """`folder` is where labels and pictures are kept, `url` another database, `sample` the plates that ship.

    `dataset` is where they are kept far away too, empty for nowhere. Safe to share between threads.
    """

    folder: Path
    url: str
    sample: Path
    dataset: str = ""
    sync: Sync | None = None
    _store: Store | None = None
    _lock: Lock = field(default_factory=Lock)
    _doubted: Mapping[int, Urgency] = field(default_factory=dict)
    _doubt_again: float = 0.0
    _doubting: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        if self.dataset:
            self.sync = Sync(self.store, remote_named(self.dataset))

    def start_sync(self) -> None:
        """Keep labels far away too from now on, in the background, where a dataset is named."""
        if self.sync is not None:
            atexit.register(self.sync.stop, self.sync.start())

    def store(self) -> Store:
        """The store, opened once. Raises StoreError, and tries again the next time."""
        with self._lock:
            if self._store is None:
                self._store = Store(self.folder, self.url)
            return self._store

    def queue(self) -> Queue:
        """Which plate to ask about next. Raises StoreError."""
        return Queue(self.store())

    def review(self) -> Review:
        """Which vehicle to ask about next. Raises StoreError."""
        return Review(self.store(), doubts=self._doubts)

    def _doubts(self) -> Mapping[int, Urgency]:
        """Labels that look wrong; looked for again no sooner than ten times as long after as it took."""
        with self._doubting:
            if time.monotonic() >= self._doubt_again:
                began = time.monotonic()
                self._doubted = label_errors(self.store())
                self._doubt_again = time.monotonic() + _REST * (time.monotonic() - began)
            return self._doubted

    def names(self, recognizer: Recognizer) -> dict[str, tuple[str, ...]]:
        """All names of types, makes and models: the checkpoint's in its order, then what people have added.

        Raises:
            StoreError: the store cannot be read.
        """
        added = self.review().names()
        known = {part: getattr(recognizer.checkpoint.labels, f"{part}s") for part in PARTS}
        return {part: (*known[part], *(name for name in added[part] if name not in known[part])) for part in PARTS}

    def write_corrections(self, recognizer: Recognizer, folder: Path) -> int:
        """Write the corrections data set; see `write_dataset`. Raises StoreError, OSError."""
        return write_dataset(self.store(), folder, self.names(recognizer))

    def publish(self, recognizer: Recognizer, licence: str, place: str = "") -> int:
        """Publish the corrections data set at `place`, by default where labels are synced to; see `publish`.

        Raises:
            PublishingError, StoreError, RemoteError: as that does.
        """
        return publish(self.store(), self.names(recognizer), licence, remote_named(place or self.dataset))

    def fill_sample(self, recognizer: Recognizer) -> Thread:
        """Put the sample's plates into an empty store, in the background; what fails shows when the tab is opened."""
        thread = Thread(target=self._fill_quietly, args=(recognizer,), daemon=True)
        thread.start()
        return thread

    def add_sample(self, recognizer: Recognizer) -> None:
        """Put the sample's plates into the store unless there are plates in it; all of them, or none.

        Raises:
            StoreError: nothing was added.
        """
        if self.sample.exists() and not self.queue().choices().sources:
            self.store().add(list(self._sample_items(recognizer)))

    def put_plate(self, recognizer: Recognizer, content: bytes, vehicle: Vehicle) -> int:
        """Put a recognised vehicle's plate into the queue and return its number.

        A plate that was not found is looked for where plates usually are, for a person to move the corners.

        Raises:
            StoreError: it was not added.
            ImageError: the picture cannot be used, or no plate can be there.
        """
        image = open_image(content)
        plate = vehicle.plate
        box = plate.box if plate and plate.box else _usual_place(vehicle.box)
        corners = plate.corners if plate and plate.corners else corners_of(box)
        item = _item(recognizer, content, recognizer.read_plate(image, corners), corners, vehicle.box, RECOGNISE)
        return self.store().add([item])[0]

    def _fill_quietly(self, recognizer: Recognizer) -> None:
        try:
            self.add_sample(recognizer)
        except StoreError as error:
            print(f"The sample's plates were not added: {error}")

    def _sample_items(self, recognizer: Recognizer) -> Iterator[NewItem]:
        # Costs a third of a second, and only the first start needs it.
        import pyarrow.parquet as parquet

        for row in parquet.read_table(self.sample).to_pylist():
            content = row["image"]["bytes"]
            with Image.open(io.BytesIO(content)) as image:
                width, height = image.size
            corners = tuple((x * width, y * height) for x, y in row["corners"])
            yield _item(recognizer, content, recognizer.read_plate(content, corners), corners, None, row["source"])


def _item(
    recognizer: Recognizer,
    content: bytes,
    reading: PlateReading | None,
    corners: tuple[tuple[float, float], ...],
    around: Box | None,
    source: str,
) -> NewItem:
    checkpoint = recognizer.checkpoint
    return NewItem(content, corners, around, reading, checkpoint.title, checkpoint.heads_version, source)


def _usual_place(vehicle: Box) -> Box:
    width, height = vehicle.x2 - vehicle.x1, vehicle.y2 - vehicle.y1
    if width < 16 or height < 16:
        raise ImageError("This vehicle is too small for a plate to be read. Use a larger picture.")
    return Box(
        vehicle.x1 + _USUAL.x1 * width,
        vehicle.y1 + _USUAL.y1 * height,
        vehicle.x1 + _USUAL.x2 * width,
        vehicle.y1 + _USUAL.y2 * height,
    )
