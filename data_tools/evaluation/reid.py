"""Re-identification across the two cameras of `reid.parquet`: camera 1 asks, camera 2 is the gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from data_tools.evaluation.batches import pictures_of, through_graph
from vehicle_demo.gallery.metrics import retrieval
from vehicle_demo.recognition import Recognizer


def evaluate_reid(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> dict[str, Any] | None:
    """`map`, `rank1`, `rank5`, `queries` and `skipped` by cosine distance; None when there are no such pictures."""
    rows = [
        (picture.vehicle_id or "", picture.camera_id or "", outputs["reid_embeds"][0])
        for picture, _, outputs in through_graph(recognizer, pictures_of(data, "reid", split, limit))
    ]
    if not rows:
        return None
    cameras = sorted({camera for _, camera, _ in rows})
    queries, gallery = ([row for row in rows if row[1] == camera] for camera in (cameras[0], cameras[-1]))
    asked, known = (np.stack([embedding for _, _, embedding in side]) for side in (queries, gallery))
    figures = retrieval(
        1 - asked @ known.T,
        [identity for identity, _, _ in queries],
        [identity for identity, _, _ in gallery],
        [camera for _, camera, _ in queries],
        [camera for _, camera, _ in gallery],
    )
    return {
        "map": figures.map,
        "rank1": figures.cmc[1],
        "rank5": figures.cmc[5],
        "queries": figures.queries,
        "skipped": figures.skipped,
    }
