"""How soon a fit of so many corrections can be decided on, and how much slower visitors are answered meanwhile."""

from __future__ import annotations

import io
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    from vehicle_demo.annotation.items import NewVehicle
    from vehicle_demo.annotation.store import Store
    from vehicle_demo.recognition import Recognizer
    from vehicle_demo.recognition.results import Vehicle
    from vehicle_demo.retraining.job import Export

_IDLE_RUNS = 60
# Between two of a visitor's photos, or two looks at a fit that runs alone.
_WAIT_S = 0.2
_PERSON = "benchmark"
# Every so many vehicles are said to be of a new model, of which there are two.
_NEW = 10


def retraining_figures(checkpoint: Path, corrections: int) -> dict[str, float]:
    """Seconds from pressing the button to the comparison, when the vehicles were never seen and when they were before.

    Then the p95 of recognising one vehicle in ms, while nothing else runs and all along another such fit.

    Raises:
        ValueError: a fit failed.
    """
    import tempfile

    from vehicle_demo.annotation.corrections import write_dataset
    from vehicle_demo.annotation.store import Store
    from vehicle_demo.recognition import Recognizer
    from vehicle_demo.recognition.graph import usable_cores
    from vehicle_demo.recognition.heads import TENSORS

    recognizer = Recognizer.from_checkpoint(checkpoint)
    names = {task: getattr(recognizer.checkpoint.labels, f"{task}s") for task in TENSORS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder / "labels")
        vehicles = list(_vehicles(recognizer, corrections))
        _answer(store, vehicles, names["model"])
        close_up = _close_up(vehicles[0])

        def export(target: Path) -> object:
            return write_dataset(store, target, names)

        processor = _processor_seconds()
        first = _fit(checkpoint, folder / "one", export)
        processor = _processor_seconds() - processor
        again = _fit(checkpoint, folder / "one", export)
        idle = [_recognised(recognizer, close_up) for _ in range(_IDLE_RUNS)]
        during: list[float] = []
        _fit(checkpoint, folder / "other", export, lambda: during.append(_recognised(recognizer, close_up)))
        store.close()
    return {
        "cores": usable_cores(),
        f"{corrections} new corrections (s)": first,
        "of which processor time (s)": processor,
        f"{corrections} corrections seen before (s)": again,
        "recognise, nothing else, p95 (ms)": _p95(idle),
        "recognise, during a fit, p95 (ms)": _p95(during),
        "p95 during a fit / nothing else": _p95(during) / _p95(idle),
    }


def _fit(checkpoint: Path, home: Path, export: Export, meanwhile: Callable[[], object] | None = None) -> float:
    """Seconds that a fit took, as the app runs it; now and then in the meantime, as a visitor would, `meanwhile`."""
    from vehicle_demo.retraining.job import Jobs, Order

    jobs = Jobs(home)
    began = time.perf_counter()
    jobs.start(Order(str(checkpoint), export, _PERSON))
    while jobs.job is not None and jobs.job.running:
        if meanwhile:
            meanwhile()
        time.sleep(_WAIT_S)
    if jobs.job is None or jobs.job.failure:
        raise ValueError(f"The fit failed: {jobs.job and jobs.job.failure}")
    return time.perf_counter() - began


def _answer(store: Store, vehicles: Sequence[NewVehicle], models: Sequence[str]) -> None:
    """Say of every vehicle what it is: of some that they are of a new model, of the others any one."""
    from vehicle_demo.annotation.store import ANSWER, Said

    for place, number in enumerate(store.add(vehicles)):
        vehicle = vehicles[place].vehicle
        model = f"New model {place % 2}" if place % _NEW < 2 else models[place % len(models)]
        truth = {"type": vehicle.type[0].label, "make": vehicle.make[0].label, "model": model}
        store.record(Said(number, _PERSON, ANSWER, f"{_PERSON} {place}", truth))


def _vehicles(recognizer: Recognizer, wanted: int) -> Iterator[NewVehicle]:
    """So many vehicles in the sample's photos, each in a picture of its own, which is a little darker than the last."""
    from data_tools.pictures import photos
    from vehicle_demo.annotation.items import NewVehicle
    from vehicle_demo.annotation.urgency import urgency_of

    checkpoint = recognizer.checkpoint
    found: list[tuple[Image.Image, Vehicle]] = []
    for picture in photos():
        if len(found) < wanted:
            seen = recognizer.recognize(picture).above(checkpoint.thresholds.detection)
            found += [(picture, vehicle) for vehicle in seen.vehicles]
    for number in range(wanted):
        picture, vehicle = found[number % len(found)]
        content = _encoded(picture, 1 - 0.4 * number / wanted)
        yield NewVehicle(content, vehicle, urgency_of(vehicle), checkpoint.name, checkpoint.heads_version, _PERSON)


def _close_up(item: NewVehicle) -> bytes:
    """The vehicle alone, as a visitor's photo would show it."""
    from PIL import Image

    box = item.vehicle.box
    return _encoded(Image.open(io.BytesIO(item.content)).crop((box.x1, box.y1, box.x2, box.y2)), 1.0)


def _encoded(picture: Image.Image, brightness: float) -> bytes:
    from PIL import ImageEnhance

    buffer = io.BytesIO()
    ImageEnhance.Brightness(picture).enhance(brightness).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _recognised(recognizer: Recognizer, photo: bytes) -> float:
    """How long it took, in ms."""
    began = time.perf_counter()
    recognizer.recognize(photo)
    return (time.perf_counter() - began) * 1000


def _processor_seconds() -> float:
    """What processes that this one started, and that have ended, spent on all cores."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _p95(values: Sequence[float]) -> float:
    import numpy as np

    return float(np.percentile(values, 95))
