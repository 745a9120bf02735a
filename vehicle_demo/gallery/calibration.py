"""When a vehicle is unknown to a gallery, and two pictures show one: learnt from its rows, and kept in its folder."""

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
_ASKED, _VEHICLES = 1000, 200
_FILE = "novelty.json"


@dataclass(frozen=True)
class Calibration:
    """A vehicle farther than `limit` from its nearest row is unknown; learnt when the gallery had so many `rows`.

    From the cosine `match` on two pictures are best said to show one vehicle; None where the rows cannot tell.
    """

    rows: int
    limit: float
    match: float | None


def calibrate(
    rows: np.ndarray, identities: np.ndarray, cameras: np.ndarray, index: Index | None, seed: int = 0
) -> Calibration | None:
    """The 95 % quantile of the rows' own novelty, each left out in its turn: so many of its vehicles stay known.

    Where vehicles are known by name, only those with several rows are left out, because the only picture of a vehicle
    is one of an unknown vehicle without it. Of more than 1,000 such rows a random 1,000 is asked. The match is that of
    `best_match` where two cameras have seen at least `FEWEST` vehicles.

    Args:
        rows: (N, D) float32 with unit L2 norm.
        identities, cameras: (N,) str, "" where not known.

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
    return Calibration(len(rows), float(np.quantile(own, QUANTILE)), _match(rows, identities, cameras, seed))


def _match(rows: np.ndarray, identities: np.ndarray, cameras: np.ndarray, seed: int) -> float | None:
    """The cosine of `best_match` over all pictures of a random `_VEHICLES` of those that two cameras saw."""
    named = np.flatnonzero((identities != "") & (cameras != ""))
    names, number = np.unique(identities[named], return_inverse=True)
    views = np.unique(np.stack([number, np.unique(cameras[named], return_inverse=True)[1]]), axis=1)
    seen_twice = np.flatnonzero(np.bincount(views[0], minlength=len(names)) > 1)
    if len(seen_twice) < FEWEST:
        return None
    asked = named[np.isin(number, np.random.default_rng(seed).permutation(seen_twice)[:_VEHICLES])]
    return best_match(np.asarray(rows[asked]), identities[asked], cameras[asked])[0]


def best_match(embeddings: np.ndarray, identities: np.ndarray, cameras: np.ndarray) -> tuple[float, float]:
    """(cosine, F1): from which cosine two pictures of different cameras are best said to show one vehicle.

    Every pair counts once. The threshold lies midway between the least cosine it lets in and the next one below.

    Args:
        embeddings: (N, D) with unit L2 norm. identities, cameras: (N,) of any kind.

    Raises:
        ValueError: no vehicle is seen by two cameras.
    """
    first, second = np.triu_indices(len(embeddings), 1)
    apart = cameras[first] != cameras[second]
    first, second = first[apart], second[apart]
    same = identities[first] == identities[second]
    if not same.any():
        raise ValueError("No vehicle is seen by two cameras, so there is no match to choose a threshold by.")
    cosines = (embeddings @ embeddings.T)[first, second]
    order = np.argsort(-cosines, kind="stable")
    cosines, hits = cosines[order], np.cumsum(same[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + hits[-1])
    # Among equal cosines only the last can be a limit.
    f1[:-1][cosines[:-1] == cosines[1:]] = 0
    best = int(f1.argmax())
    below = cosines[best + 1] if best + 1 < len(cosines) else cosines[best]
    return float((cosines[best] + below) / 2), float(f1[best])


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
