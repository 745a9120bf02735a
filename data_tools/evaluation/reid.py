"""Re-identification by the publishers' protocols: across cameras, or in random trials where no camera is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from data_tools.evaluation.batches import embedded, pictures_of, whole
from vehicle_demo.gallery.protocols import Rows, compared, cross_camera_sides, vehicleid
from vehicle_demo.recognition import Recognizer


def evaluate_reid(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> dict[str, Any] | None:
    """`map`, `rank1`, `rank5`, `queries` and `skipped` by cosine distance; None when there are no such pictures.

    The publisher's queries ask and the rest is the gallery. Without such queries the first camera asks, as in the
    Benchmark tab's `cross-camera` on a gallery filled from these pictures. Without cameras it is VehicleID's protocol
    with its largest test size: figures are means over ten seeded `trials`, `rank1_spread` is the standard deviation,
    and `queries` are those of all trials.
    """
    rows = _rows(recognizer, data, split, limit)
    if rows is None:
        return None
    if not any(rows[0].cameras):
        return _in_trials(rows[0])
    figures = compared(*_sides(*rows))
    return {
        "map": figures.map,
        "rank1": figures.cmc[1],
        "rank5": figures.cmc[5],
        "queries": figures.queries,
        "skipped": figures.skipped,
    }


def reid_sides(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> tuple[Rows, Rows] | None:
    """(asking, asked), as `evaluate_reid` compares them; None when there are no such pictures with cameras."""
    rows = _rows(recognizer, data, split, limit)
    return _sides(*rows) if rows is not None and any(rows[0].cameras) else None


def _rows(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> tuple[Rows, np.ndarray] | None:
    """Every picture, and which of them the publisher has ask (N,) bool."""
    rows = [
        (picture.vehicle_id or "", picture.camera_id or "", bool(picture.asks), embedding)
        for picture, embedding in embedded(recognizer, whole(pictures_of(data, "reid", split, limit)))
    ]
    if not rows:
        return None
    identities, cameras, asks, embeddings = (np.array(column) for column in zip(*rows, strict=True))
    return Rows(identities, cameras, embeddings), asks


def _sides(rows: Rows, asks: np.ndarray) -> tuple[Rows, Rows]:
    return (rows.take(asks), rows.take(~asks)) if asks.any() else cross_camera_sides(rows)


def _in_trials(rows: Rows) -> dict[str, Any]:
    *_, last = vehicleid(rows)
    assert last.report is not None
    largest = last.report.tables[-1]
    rank1 = largest.plain["rank1"]
    return {
        **{name: largest.plain[name].value for name in ("map", "rank1", "rank5")},
        **{name: largest.counts[name] for name in ("queries", "skipped", "trials")},
        "rank1_spread": rank1.high - rank1.value,
    }
