"""From which distance on a vehicle is unknown to a gallery: learnt from the gallery itself, and kept in its folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import get_ident

import numpy as np

from vehicle_demo.gallery.index import Index
from vehicle_demo.gallery.open_set import distances

# The k of KNN+. With the nearest, a single picture is enough to make a vehicle known; on the sample gallery larger
# ones tell unknown types, makes and models no better (AUROC 0.63, 0.58 and 0.54 with 1; 0.57, 0.57 and 0.51 with 5).
NEIGHBOUR = 1
QUANTILE = 0.95
FEWEST = 10
_ASKED = 1000
_FILE = "novelty.json"


@dataclass(frozen=True)
class Calibration:
    """A vehicle farther than `limit` from its nearest row is unknown; learnt when the gallery had so many `rows`."""

    rows: int
    limit: float


def calibrate(rows: np.ndarray, identities: np.ndarray, index: Index | None, seed: int = 0) -> Calibration | None:
    """The 95 % quantile of the rows' own novelty, each left out in its turn: so many of its vehicles stay known.

    Where vehicles are known by name, only those with several rows are left out, because the only picture of a vehicle
    is one of an unknown vehicle without it. Of more than 1,000 such rows a random 1,000 is asked.

    Args:
        rows: (N, D) float32 with unit L2 norm.
        identities: (N,) str, "" where not known.

    Returns:
        None when fewer than `FEWEST` rows can be left out.
    """
    _, inverse, counts = np.unique(identities, return_inverse=True, return_counts=True)
    company = np.flatnonzero((identities != "") & (counts[inverse] > 1))
    asked = company if len(company) else np.arange(len(rows))
    if len(asked) < FEWEST:
        return None
    chosen = np.sort(np.random.default_rng(seed).permutation(asked)[:_ASKED])
    own = distances(rows[chosen], rows, index, NEIGHBOUR + 1)  # the nearest of all is the row itself
    return Calibration(len(rows), float(np.quantile(own, QUANTILE)))


def save(calibration: Calibration, folder: Path) -> None:
    """Keep it in the gallery's folder, replaced in one step."""
    part = folder / f"{_FILE}.{os.getpid()}.{get_ident()}.part"
    part.write_text(json.dumps(asdict(calibration)))
    os.replace(part, folder / _FILE)


def load(folder: Path) -> Calibration | None:
    """The one kept in `folder`, or None when there is none that can be used."""
    try:
        return Calibration(**json.loads((folder / _FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None
