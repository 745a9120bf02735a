"""A card for every vehicle: crop, category, type, make and model with bars, and the plate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from PIL import Image

from vehicle_demo.recognition import PlateReading, Recognition, Scored, Vehicle
from vehicle_demo.recognition.checkpoint import Thresholds
from vehicle_demo.recognition.hierarchy import LEVELS, sure_of
from vehicle_demo.recognition.results import RANKED
from vehicle_demo.ui.attention import BUTTON_HTML, PLACE_HTML
from vehicle_demo.ui.exports import to_csv
from vehicle_demo.ui.novelty import Known, mark_html, novelty_html
from vehicle_demo.ui.pictures import crop_uri
from vehicle_demo.ui.theme import category_colour

_THUMBNAIL = 200
# Body types that are written in capitals.
UPPER = {"suv": "SUV"}
_CALL = """from gradio_client import Client, handle_file

client = Client("{address}")
print(client.predict(handle_file("photo.jpg"), "{checkpoint}", api_name="/recognize"))"""


def cards_html(image: Image.Image, found: Recognition, thresholds: Thresholds, choice: str, known: Known) -> str:
    """All cards with the head line, the downloads and the API call; the script fills in the page's own address."""
    answer = found.to_dict()
    cards = "".join(_card(image, index, vehicle, thresholds, known) for index, vehicle in enumerate(found.vehicles))
    stages = ", ".join(f"{name} {spent:.0f} ms" for name, spent in found.timings_ms.items() if name != "total")
    return (
        f'<div class="vd-cards" data-answer="{escape(json.dumps(answer))}" data-csv="{escape(to_csv(answer))}" '
        f'data-checkpoint="{escape(choice)}">'
        f'<div class="vd-head"><strong class="vd-count" aria-live="polite"></strong>'
        f'<span class="vd-time" title="{escape(stages)}">{found.timings_ms["total"]:.0f} ms</span></div>'
        f'{cards}<p class="vd-none" hidden>No vehicle above this threshold. Lower it, or try another picture.</p>'
        '<div class="vd-actions"><button type="button" data-download="json">Download JSON</button>'
        '<button type="button" data-download="csv">Download CSV</button></div>'
        '<details class="vd-api"><summary>Call it from Python</summary>'
        f'<pre data-template="{escape(_CALL.replace("{checkpoint}", choice))}"></pre>'
        '<button type="button" data-copy>Copy</button></details></div>'
    )


def message_html(sentence: str, kind: str) -> str:
    """One sentence in the place of the picture; `kind` is `error` or `empty`."""
    role = "alert" if kind == "error" else "status"
    return f'<div class="vd-message vd-{kind}" role="{role}"><p>{escape(sentence)}</p></div>'


def kept_html(sentence: str) -> str:
    """What is kept of a visitor's photo, in small type."""
    return f'<p class="vd-quiet" role="status">{escape(sentence)}</p>'


def _card(image: Image.Image, index: int, vehicle: Vehicle, thresholds: Thresholds, known: Known) -> str:
    category = vehicle.category
    best = vehicle.model[0]
    title = _sure(best, thresholds.model, _as_far_as_known(vehicle, thresholds))
    lists = "".join(
        _ranking(name, labels, threshold)
        for name, labels, threshold in (
            ("type", vehicle.type, thresholds.type),
            ("make", vehicle.make, thresholds.make),
            ("model", vehicle.model, thresholds.model),
        )
    )
    return (
        f'<details class="vd-card" data-vehicle="{index}" data-score="{category.score:.4f}" '
        f'style="--vd-hue:{category_colour(category.label)}">'
        f'<summary><img src="{crop_uri(image, vehicle.box, _THUMBNAIL)}" alt="">'
        f'<span class="vd-title"><span class="vd-category">{escape(category.label)}</span> '
        f'<span class="vd-score">{category.score:.2f}</span>{mark_html(vehicle.novelty)}<br>{title}</span></summary>'
        f"{_levels(vehicle, thresholds)}{lists}{_colour(vehicle.colour)}"
        f"{_plate(image, vehicle.plate, thresholds.plate)}"
        f"{novelty_html(vehicle.novelty, known)}"
        '<div class="vd-actions"><button type="button" data-look-alikes>Find look-alikes</button>'
        '<button type="button" data-to-desk="vehicle">Correct</button>'
        '<button type="button" data-to-desk="plate">Correct the plate</button>'
        f"{BUTTON_HTML}</div>{PLACE_HTML}</details>"
    )


def _sure(best: Scored, threshold: float, known: str) -> str:
    label = escape(best.label)
    if best.score >= threshold:
        return f'<span class="vd-label">{label}</span>'
    return f'<span class="vd-label vd-unsure"><span aria-hidden="true">?</span> {escape(known)}unsure: {label}?</span>'


def _as_far_as_known(vehicle: Vehicle, thresholds: Thresholds) -> str:
    """`a Toyota SUV, model ` of a vehicle of which no more is sure; empty where its make is not."""
    sure = sure_of(vehicle.levels, thresholds)
    if not sure or sure == len(LEVELS):
        return ""
    make, kind, model = (level.label if number < sure else "" for number, level in enumerate(vehicle.levels[:3]))
    words = " ".join(word for word in (make, model, UPPER.get(kind, kind)) if word)
    return f"{'an' if make[0] in 'AEIOU' else 'a'} {words}, {LEVELS[sure]} "


def _levels(vehicle: Vehicle, thresholds: Thresholds) -> str:
    """From make to year, each with its score; what is not sure any more is marked."""
    if not vehicle.levels:
        return ""
    sure = sure_of(vehicle.levels, thresholds)
    rows = "".join(
        f"<li{'' if number < sure else ' class=vd-unsure'}>{_bar(level, f'{LEVELS[number]} {level.label}')}</li>"
        for number, level in enumerate(vehicle.levels)
        if level.label
    )
    return f'<section class="vd-ranking vd-levels"><h4>from make to year</h4><ol>{rows}</ol></section>'


def _rows(labels: Sequence[Scored]) -> str:
    return "".join(f"<li>{_bar(scored, scored.label)}</li>" for scored in labels)


def _bar(scored: Scored, name: str) -> str:
    return (
        f'<span class="vd-name">{escape(name)}</span>'
        f'<span class="vd-bar" aria-hidden="true"><i style="width:{scored.score * 100:.1f}%"></i></span>'
        f'<span class="vd-percent">{scored.score * 100:.0f}%</span>'
    )


def _ranking(name: str, labels: Sequence[Scored], threshold: float) -> str:
    unsure = "" if labels[0].score >= threshold else ' <span class="vd-unsure">unsure</span>'
    return f'<section class="vd-ranking"><h4>{name}{unsure}</h4><ol>{_rows(labels[:RANKED])}</ol></section>'


def _colour(labels: Sequence[Scored]) -> str:
    """Colours were learnt from drawn vehicles alone, so on a photo they are a guess."""
    if not labels:
        return ""
    guess = ' <span class="vd-quiet">a guess</span>'
    return f'<section class="vd-ranking"><h4>colour{guess}</h4><ol>{_rows(labels[:2])}</ol></section>'


def _plate(image: Image.Image, plate: PlateReading | None, threshold: float) -> str:
    if plate is None:
        return '<section class="vd-plate"><h4>plate</h4><p class="vd-quiet">none found</p></section>'
    picture = f'<img src="{crop_uri(image, plate.box, 240)}" alt="the plate">' if plate.box else ""
    characters = "".join(
        f'<span style="--vd-sure:{c.score:.2f}" title="{c.score * 100:.0f}%">{escape(c.character)}</span>'
        for c in plate.characters
    )
    unsure = "" if plate.score >= threshold else ' <span class="vd-unsure">unsure</span>'
    return (
        f'<section class="vd-plate"><h4>plate{unsure}</h4>{picture}'
        f'<p class="vd-text" aria-label="{escape(plate.text)}">{characters}</p>'
        f'<span class="vd-percent">{plate.score * 100:.0f}%</span></section>'
    )
