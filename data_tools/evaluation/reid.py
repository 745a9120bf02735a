"""Re-identification by the publishers' protocols: across cameras, or in random trials where no camera is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from data_tools.evaluation.batches import pictures_of, through_graph
from vehicle_demo.gallery.building import unit
from vehicle_demo.gallery.protocols import Rows, compared, cross_camera_sides, vehicleid
from vehicle_demo.recognition import Recognizer


def evaluate_reid(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> dict[str, Any] | None:
    """`map`, `rank1`, `rank5`, `queries` and `skipped` by cosine distance; None when there are no such pictures.

    The publisher's queries ask and the rest is the gallery. Without such queries the first camera asks, as in the
    Benchmark tab's `cross-camera` on a gallery filled from these pictures. Without cameras it is VehicleID's protocol
    with its largest test size: figures are means over ten seeded `trials`, `rank1_spread` is the standard deviation,
    and `queries` are those of all trials.
    """
    rows = [
        (picture.vehicle_id or "", picture.camera_id or "", bool(picture.asks), unit(outputs["reid_embeds"][0]))
        for picture, _, outputs in through_graph(recognizer, pictures_of(data, "reid", split, limit))
    ]
    if not rows:
        return None
    identities, cameras, asks, embeddings = (np.array(column) for column in zip(*rows, strict=True))
    every = Rows(identities, cameras, embeddings)
    if not any(cameras):
        return _in_trials(every)
    figures = compared(*((every.take(asks), every.take(~asks)) if asks.any() else cross_camera_sides(every)))
    return {
        "map": figures.map,
        "rank1": figures.cmc[1],
        "rank5": figures.cmc[5],
        "queries": figures.queries,
        "skipped": figures.skipped,
    }


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
