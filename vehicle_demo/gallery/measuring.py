"""The protocols by name, each measured on a gallery's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from vehicle_demo.gallery.gallery import Gallery, GalleryError
from vehicle_demo.gallery.protocols import Report, Rows, Step, cross_camera, leave_out, vehicleid


@dataclass(frozen=True)
class Protocol:
    """What a menu calls it, how it goes in words, and the measuring itself, step by step."""

    title: str
    words: str
    steps: Callable[[Gallery], Iterator[Step]]


def measure(gallery: Gallery, protocol: str) -> Iterator[Step]:
    """Measure a gallery by one of `PROTOCOLS`; the last step has the report.

    Raises:
        GalleryError: there is no such protocol, or the gallery lacks what it needs; says what to add.
    """
    if protocol not in PROTOCOLS:
        raise GalleryError(f"There is no protocol of that name. Choose one of: {', '.join(PROTOCOLS)}.")
    if not len(gallery):
        raise GalleryError("This gallery has no pictures for this checkpoint yet. Add some in the Gallery tab.")
    return PROTOCOLS[protocol].steps(gallery)


def lines(report: Report) -> Iterator[tuple[str, float | int, float | None, float | None]]:
    """Every figure of a report as (name, value, low, high), then each table's counts, which have no range."""
    for table in report.tables:
        for variant, figures in table.variants:
            for name, estimate in figures.items():
                yield _joined(table.name, variant, name), estimate.value, estimate.low, estimate.high
        for name, count in table.counts.items():
            yield _joined(table.name, name), count, None, None


def _joined(*parts: str) -> str:
    return ".".join(part.replace(" ", "_") for part in parts if part)


def _reid(protocol: Callable[[Rows], Iterator[Step]]) -> Callable[[Gallery], Iterator[Step]]:
    def steps(gallery: Gallery) -> Iterator[Step]:
        identities, cameras = _columns(gallery, "vehicle_id", "camera")
        # The columns first: while others add rows, there are at least as many embeddings.
        return protocol(Rows(identities, cameras, gallery.storage.embeddings()[: len(identities)]))

    return steps


def _open_set(column: str, name: str) -> Callable[[Gallery], Iterator[Step]]:
    def steps(gallery: Gallery) -> Iterator[Step]:
        values, own = _columns(gallery, column, "confidence")
        if column != "vehicle_id":
            # The network's own names are no truth to measure it by.
            values = np.where(own == "", values, "")
        return leave_out(values, gallery.storage.embeddings()[: len(values)], name)

    return steps


def _columns(gallery: Gallery, *names: str) -> Iterator[np.ndarray]:
    rows = gallery.storage.columns(*names)
    return (np.array(["" if value is None else str(value) for value in column]) for column in zip(*rows, strict=True))


_UNKNOWN = (
    "Is a vehicle of {a} that the gallery lacks told from the others? In each of 10 seeded trials a random fifth of "
    "the {many} is left out of the gallery and asks as unknown; of every other {one} a random half of the rows is the "
    "gallery and the rest asks as known. The score is KNN+, the distance to the k-th neighbour; unknown is positive."
)
_TOLD = " Only names that came with the pictures count, not those that the network gave."

PROTOCOLS: Mapping[str, Protocol] = {
    "cross-camera": Protocol(
        "Cross-camera (VeRi-776)",
        "The pictures of the first camera ask, those of all other cameras are the gallery. A gallery picture of the "
        "query's vehicle and camera is left out; a query with no match left is skipped and counted.",
        _reid(cross_camera),
    ),
    "vehicleid": Protocol(
        "Trials (VehicleID)",
        "One random picture of each vehicle is the gallery, all its others ask; 10 seeded trials with 800, 1,600 and "
        "2,400 vehicles, or all where there are fewer. Vehicles with a single picture are left out.",
        _reid(vehicleid),
    ),
    **{
        f"open-set-{one}": Protocol(
            f"Open set: unknown {many}",
            _UNKNOWN.format(a=f"a {one}" if column != "vehicle_id" else "an identity", one=one, many=many)
            + (_TOLD if column != "vehicle_id" else ""),
            _open_set(column, many),
        )
        for column, one, many in (
            ("vehicle_id", "identity", "identities"),
            ("model", "model", "models"),
            ("make", "make", "makes"),
            ("type", "type", "types"),
        )
    },
}
