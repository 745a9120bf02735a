"""Names by the nearest known vehicles, and whether one is known at all, as Veri-Car does (arXiv 2411.06864)."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_tools.evaluation.batches import embedded, pictures_of, whole
from data_tools.readers.levels import LEVELS
from vehicle_demo.gallery.open_set import novelty, open_set_figures
from vehicle_demo.recognition import Recognizer

_TOLD = ("make", "type", "model", "name")
_K = 10


@dataclass(frozen=True, eq=False)
class Named:
    """Pictures of one vehicle each: by level what they show, (N,) str, and their embeddings (N, D) of unit length."""

    told: dict[str, np.ndarray]
    embeddings: np.ndarray

    def __len__(self) -> int:
        return len(self.embeddings)

    def take(self, chosen: np.ndarray) -> Named:
        """Those where this mask (N,) is True."""
        return Named({level: values[chosen] for level, values in self.told.items()}, self.embeddings[chosen])

    def among(self, names: Set[str]) -> np.ndarray:
        """(N,) bool: whose name is one of these."""
        return np.isin(self.told["name"], list(names))


def embed_named(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> Named:
    """The close-ups of a split that have a name."""
    named = (picture for picture in pictures_of(data, "cars196", split, limit) if picture.model)
    rows = list(embedded(recognizer, whole(named)))
    told = {level: np.array([LEVELS[level](picture) or "" for picture, _ in rows]) for level in _TOLD}
    return Named(told, np.array([embedding for _, embedding in rows]))


def retrieval_figures(asking: Named, gallery: Named, names: Set[str]) -> dict[str, float]:
    """How often the nearest of the gallery is of the same make, type, model and name: `make_top1` and so on.

    `name_k10` is the same of the name that the ten nearest say by their cosines. Only pictures of `names` ask; all of
    the gallery answers. Empty where there is nothing to ask or to be asked.
    """
    chosen = asking.take(asking.among(names))
    if not len(chosen) or not len(gallery):
        return {}
    cosines = chosen.embeddings @ gallery.embeddings.T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :_K]
    found = {
        f"{level}_top1": float((gallery.told[level][order[:, 0]] == values).mean())
        for level, values in chosen.told.items()
    }
    voted = [
        _voted(gallery.told["name"][near], row[near]) == name
        for near, row, name in zip(order, cosines, chosen.told["name"], strict=True)
    ]
    return {**found, "name_k10": float(np.mean(voted))}


def open_world_figures(asking: Named, gallery: Named, shown: Set[str]) -> dict[str, float]:
    """`auroc` and `fpr95` of KNN+: pictures of names that a system was never shown, told from those that it was.

    The gallery has the shown names alone. Empty where every name was shown, or none, or the gallery has under ten rows.
    """
    known = asking.among(shown)
    seen = gallery.take(gallery.among(shown))
    if known.all() or not known.any() or len(seen) < _K:
        return {}
    scores = [novelty(asking.embeddings[side], seen.embeddings, _K) for side in (known, ~known)]
    figures = open_set_figures(*scores)
    return {"auroc": figures.auroc, "fpr95": figures.fpr95}


def _voted(names: np.ndarray, cosines: np.ndarray) -> str:
    """Of equal votes the name of the nearer one."""
    told, first, which = np.unique(names, return_index=True, return_inverse=True)
    votes = np.bincount(which, cosines)
    return str(told[np.lexsort((first, -votes))[0]])
