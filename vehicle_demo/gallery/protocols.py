"""Published protocols: which pictures ask, which are asked, and what is measured; on arrays, without a gallery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from vehicle_demo.gallery.metrics import Estimate, Retrieval, bootstrapped, figures_of, over_trials, retrieval
from vehicle_demo.gallery.open_set import novelty, open_set_figures
from vehicle_demo.gallery.reranking import rerank
from vehicle_demo.gallery.storage import GalleryError

CURVE = range(1, 21)
TEST_SIZES = (800, 1600, 2400)
TRIALS = 10
# Three square float32 matrices of this side take 200 MB, and a minute.
RERANKED_UP_TO = 4000
_MOST_DISTANCES = 200_000_000
# KNN+ asks for the 10th neighbour, or for a nearer one where a known value has fewer rows than that.
_K = 10
_ADD = "Add them to a gallery as a .parquet file or a Hub dataset with the columns"


@dataclass(frozen=True, eq=False)
class Rows:
    """Pictures to measure on: the identity and camera of each, (N,) str, "" where not known, and embeddings.

    `embeddings` are (N, D) float32 of unit length.
    """

    identities: np.ndarray
    cameras: np.ndarray
    embeddings: np.ndarray

    def __len__(self) -> int:
        return len(self.identities)

    def take(self, chosen: np.ndarray) -> Rows:
        """The rows with these numbers, or where this mask is True."""
        return Rows(self.identities[chosen], self.cameras[chosen], self.embeddings[chosen])


@dataclass(frozen=True)
class Table:
    """Figures by name, as they are and after re-ranking (None where there are too many rows); `counts` says of what.

    `name` tells tables of one report apart.
    """

    name: str
    plain: Mapping[str, Estimate]
    reranked: Mapping[str, Estimate] | None
    counts: Mapping[str, int]

    @property
    def variants(self) -> Iterator[tuple[str, Mapping[str, Estimate]]]:
        """("", figures) and, where there are such, ("re-ranked", figures)."""
        yield "", self.plain
        if self.reranked is not None:
            yield "re-ranked", self.reranked


@dataclass(frozen=True, eq=False)
class Report:
    """What a protocol found. `ranges` says what the estimates' low and high are.

    `novelty` are the scores of all known and all unknown rows, (K,) and (U,), where the protocol has such.
    """

    ranges: str
    tables: tuple[Table, ...]
    novelty: tuple[np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True)
class Step:
    """How far measuring is; the last step has the report."""

    done: int
    total: int
    report: Report | None = None


def cross_camera_sides(rows: Rows) -> tuple[Rows, Rows]:
    """(asking, asked): the pictures of the first camera, and those of all others; only with identity and camera.

    Raises:
        GalleryError: no vehicle is known to be before the first camera and another one.
    """
    known = rows.take((rows.identities != "") & (rows.cameras != ""))
    if not len(known):
        raise GalleryError(f"No picture has an identity and a camera. {_ADD} image, vehicle_id and camera_id.")
    first = known.cameras == min(known.cameras)
    asking, asked = known.take(first), known.take(~first)
    if not len(asked):
        raise GalleryError(
            f"All pictures with an identity are of one camera, {asking.cameras[0]}. Add pictures of the same vehicles "
            "by another camera (column camera_id), or choose VehicleID's trials, which need no cameras."
        )
    if not np.isin(asking.identities, asked.identities).any():
        raise GalleryError(
            f"No vehicle of the first camera, {asking.cameras[0]}, is seen by another one. Add pictures of the same "
            "vehicles by another camera (columns vehicle_id and camera_id)."
        )
    return asking, asked


def compared(asking: Rows, asked: Rows, second: bool = False) -> Retrieval:
    """Figures of one side asking the other by cosine distance, or `second`: after k-reciprocal re-ranking.

    Raises:
        GalleryError: there are too many pairs to hold in memory.
    """
    if len(asking) * len(asked) > _MOST_DISTANCES:
        raise GalleryError(
            f"{len(asking):,} queries in a gallery of {len(asked):,} are more than can be compared here. "
            "Measure a gallery with fewer pictures."
        )
    queries, gallery = asking.embeddings, asked.embeddings
    distances = rerank(queries, gallery) if second else 1 - queries @ gallery.T
    return retrieval(distances, asking.identities, asked.identities, asking.cameras, asked.cameras, CURVE)


def cross_camera(rows: Rows) -> Iterator[Step]:
    """The first camera asks, the others are the gallery; mAP and CMC with the same-camera rule (VeRi-776).

    Raises:
        GalleryError: see `cross_camera_sides` and `compared`.
    """
    asking, asked = cross_camera_sides(rows)
    total = 2 if _can_rerank(asking, asked) else 1
    yield Step(0, total)
    plain, second = compared(asking, asked), None
    if total > 1:
        yield Step(1, total)
        second = bootstrapped(compared(asking, asked, second=True))
    counts = {"queries": plain.queries, "skipped": plain.skipped, "gallery": len(asked)}
    counts["passed over"] = len(rows) - len(asking) - len(asked)
    table = Table("", bootstrapped(plain), second, counts)
    yield Step(total, total, Report("95 % bootstrap interval over queries", (table,)))


def vehicleid(rows: Rows, seed: int = 0) -> Iterator[Step]:
    """VehicleID's trials: of each vehicle one random picture is the gallery and the others ask, whatever the camera.

    Every test size has 10 seeded trials, each with so many random vehicles; where there are fewer, with all. Vehicles
    with a single picture are left out.

    Raises:
        GalleryError: there are not two such vehicles; and see `compared`.
    """
    every, counts = np.unique(rows.identities, return_counts=True)
    vehicles = every[(counts > 1) & (every != "")]
    if len(vehicles) < 2:
        raise GalleryError(
            "The trials need two vehicles or more with two pictures each. "
            f"{_ADD} image and vehicle_id, the same for every picture of a vehicle."
        )
    known = rows.take(np.isin(rows.identities, vehicles))
    sizes = sorted({min(size, len(vehicles)) for size in TEST_SIZES})
    total, tables = TRIALS * len(sizes), []
    for place, size in enumerate(sizes):
        plain, second = [], []
        for trial in range(TRIALS):
            yield Step(place * TRIALS + trial, total)
            asking, asked = _vehicleid_sides(known, vehicles, size, np.random.default_rng((seed, size, trial)))
            plain.append(compared(asking, asked))
            if _can_rerank(asking, asked):
                second.append(compared(asking, asked, second=True))
        held = {"queries": sum(found.queries for found in plain), "skipped": sum(found.skipped for found in plain)}
        held |= {"gallery": size, "trials": TRIALS, "passed over": len(rows) - len(known)}
        # Were some trials too large, those that were not would flatter.
        again = _mean(second) if len(second) == TRIALS else None
        tables.append(Table(f"{size} vehicles", _mean(plain), again, held))
    yield Step(total, total, Report(f"one standard deviation over {TRIALS} trials", tuple(tables)))


def leave_out(values: np.ndarray, embeddings: np.ndarray, name: str, seed: int = 0) -> Iterator[Step]:
    """Known against unknown: a random fifth of the values is left out of the gallery, in each of 10 seeded trials.

    Every row with a left-out value asks as unknown. Of each other value a random half of the rows (rounded up) is the
    gallery, and the rest asks as known. The score is KNN+: the distance to the k-th neighbour, where k is the median
    number of rows that a value has in the gallery, at most 10.

    Args:
        values: (N,) str, "" where not known.
        embeddings: (N, D) float32 of unit length.
        name: what a value is, in the plural.

    Raises:
        GalleryError: there are not two values, or none has two rows.
    """
    kept = values != ""
    values, embeddings, absent = values[kept], embeddings[kept], int((~kept).sum())
    every, counts = np.unique(values, return_counts=True)
    # Whichever value is left out, another one must have rows on both sides.
    if (counts > 1).sum() < 1 + _left_out(len(every)):
        raise GalleryError(f"This needs pictures of more {name}, several of each, whose names come from their source.")
    found, scores, ks = [], [], []
    for trial in range(TRIALS):
        yield Step(trial, TRIALS)
        rng = np.random.default_rng((seed, trial))
        unknown = np.isin(values, rng.permutation(every)[: _left_out(len(every))])
        gallery, asking = _halves(values, np.flatnonzero(~unknown), rng)
        k = int(np.clip(np.median(np.unique(values[gallery], return_counts=True)[1]), 1, _K))
        known, new = (novelty(embeddings[side], embeddings[gallery], k) for side in (asking, np.flatnonzero(unknown)))
        figures = open_set_figures(known, new)
        found.append({"auroc": figures.auroc, "fpr95": figures.fpr95})
        scores.append((known, new))
        ks.append(k)
    every_known, every_new = (np.concatenate(side) for side in zip(*scores, strict=True))
    held = {"known": len(every_known), "unknown": len(every_new), "trials": TRIALS, "k": int(np.median(ks))}
    table = Table("", over_trials(found), None, {**held, "passed over": absent})
    ranges = f"one standard deviation over {TRIALS} trials"
    yield Step(TRIALS, TRIALS, Report(ranges, (table,), (every_known, every_new)))


def _can_rerank(asking: Rows, asked: Rows) -> bool:
    return len(asking) + len(asked) <= RERANKED_UP_TO


def _mean(trials: list[Retrieval]) -> dict[str, Estimate]:
    return over_trials([figures_of(found) for found in trials])


def _vehicleid_sides(rows: Rows, vehicles: np.ndarray, size: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
    chosen = np.flatnonzero(np.isin(rows.identities, rng.permutation(vehicles)[:size]))
    shuffled = rng.permutation(chosen)
    first = shuffled[np.unique(rows.identities[shuffled], return_index=True)[1]]
    return _without_cameras(rows, np.setdiff1d(chosen, first), "asks"), _without_cameras(rows, first, "asked")


def _without_cameras(rows: Rows, chosen: np.ndarray, side: str) -> Rows:
    """These rows as one camera's, so that the same-camera rule takes nothing away."""
    return Rows(rows.identities[chosen], np.full(len(chosen), side), rows.embeddings[chosen])


def _halves(values: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(gallery, asking): each value's rows in two halves, the first the larger."""
    shuffled = rng.permutation(rows)
    order = shuffled[np.argsort(values[shuffled], kind="stable")]
    _, starts, counts = np.unique(values[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(starts, counts)
    first = place < np.repeat((counts + 1) // 2, counts)
    return np.sort(order[first]), np.sort(order[~first])


def _left_out(values: int) -> int:
    return max(1, round(values / 5))
