"""Have we seen this one before? A recognition joined with how new each vehicle is to a gallery."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from html import escape

import numpy as np

from vehicle_demo.gallery.building import unit
from vehicle_demo.gallery.calibration import FEWEST
from vehicle_demo.gallery.gallery import Gallery
from vehicle_demo.recognition import Novelty, Recognition


@dataclass(frozen=True)
class Known:
    """The gallery that knows vehicles: its name, and the largest distance at which it does.

    That is None with too few rows, yet or for good (`filling`), or where the gallery cannot be opened; `problem` is the
    sentence of the latter.
    """

    gallery: str
    within: float | None
    problem: str = ""
    filling: bool = False


def compared(found: Recognition, gallery: Gallery) -> Recognition:
    """The same with every vehicle's novelty to the gallery, and the time that took; None where it has too few rows."""
    began = time.perf_counter()
    queries = np.array([unit(vehicle.embedding) for vehicle in found.vehicles], np.float32)
    told = gallery.novelty(queries)
    if told is None:
        return found
    vehicles = tuple(replace(vehicle, novelty=new) for vehicle, new in zip(found.vehicles, told, strict=True))
    spent = (time.perf_counter() - began) * 1000
    timings = {**found.timings_ms, "novelty": spent, "total": found.timings_ms["total"] + spent}
    return replace(found, vehicles=vehicles, timings_ms=timings)


def mark_html(novelty: Novelty | None) -> str:
    """A word with its sign for the head of a card; empty where nothing can be told."""
    if novelty is None:
        return ""
    if novelty.known:
        return ' <span class="vd-known"><span aria-hidden="true">\u2713</span> known</span>'
    return ' <span class="vd-unknown"><span aria-hidden="true">?</span> unknown</span>'


def novelty_html(novelty: Novelty | None, known: Known) -> str:
    """What the mark goes by, in a sentence."""
    name = escape(known.gallery)
    if known.problem:
        said = escape(known.problem)
    elif known.within is None and known.filling:
        said = f"Gallery {name} is being filled just now: look again in a moment."
    elif novelty is None or known.within is None:
        said = f"Gallery {name} has too few vehicles of this checkpoint to tell: add {FEWEST} or more."
    elif novelty.known:
        said = f"Near a vehicle of gallery {name}: distance {novelty.score:.3f}, known up to {known.within:.3f}."
    else:
        said = (
            f"Far from all of gallery {name}: distance {novelty.score:.3f}, known up to {known.within:.3f}. "
            "Add pictures of it to a gallery, and it is known there."
        )
    return f'<section class="vd-novelty"><h4>novelty{mark_html(novelty)}</h4><p class="vd-quiet">{said}</p></section>'
