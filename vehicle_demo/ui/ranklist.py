"""The Gallery tab's own HTML: what the gallery is, what is looked for, and the rank list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from vehicle_demo.gallery.building import Progress
from vehicle_demo.gallery.gallery import Gallery
from vehicle_demo.gallery.rank_figure import FORMATS
from vehicle_demo.gallery.ranking import Query, Ranked, Verdict
from vehicle_demo.gallery.storage import Item
from vehicle_demo.ui.exports import ranks_csv
from vehicle_demo.ui.galleries import Filling
from vehicle_demo.ui.pictures import jpeg_uri
from vehicle_demo.ui.queries import FEWEST, MOST, Search

_MARKS = {Verdict.SAME: ("\u2713", "same"), Verdict.OTHER: ("\u2715", "other"), Verdict.UNKNOWN: ("?", "unknown")}
_SHOWN = ("vehicle_id", "camera", "time", "type", "make", "model", "colour", "plate", "source")


def header_html(gallery: Gallery, name: str, checkpoint: str, filling: Filling | None) -> str:
    """One slim line: what the gallery is, and under it how far its filling is."""
    held = gallery.storage.summary()
    facts = gallery.index_facts
    index = f"approximate, recall {facts.recall:.3f}" if facts else "exact"
    parts = [
        ("gallery", name),
        ("pictures", f"{held.pictures:,}"),
        *([("vehicles", f"{held.rows:,}")] if held.rows != held.pictures else []),
        *([("identities", f"{held.identities:,}")] if held.identities else []),
        *([("cameras", f"{held.cameras:,}")] if held.cameras else []),
        ("index", index),
        ("checkpoint", checkpoint),
    ]
    listed = "".join(f"<div><dt>{label}</dt><dd>{escape(value)}</dd></div>" for label, value in parts)
    return f'<dl class="vd-about">{listed}</dl>{_filling(filling)}'


def other_checkpoint_html(name: str, earlier: str, checkpoint: str) -> str:
    """That a gallery holds another checkpoint's embeddings, and the offer to build it again."""
    return (
        '<div class="vd-message vd-empty" role="status"><p>'
        f"{escape(name)} holds embeddings of {escape(earlier)}, which cannot be compared with those of "
        f'{escape(checkpoint)}.</p><p><button type="button" class="vd-offer" data-build-again>Build it again with '
        f"{escape(checkpoint)}</button></p></div>"
    )


def query_html(search: Search) -> str:
    """The query's picture with what is known of it, the photo's other vehicles, and the way back."""
    item = search.item
    back = '<button type="button" data-back>Back to Recognise</button>' if search.away else ""
    # On a phone only: there the ways to search give their place to the results.
    again = '<button type="button" data-again aria-expanded="false">Search and filter</button>'
    picture = jpeg_uri(item.thumbnail) if item else ""
    shown = f'<img src="{picture}" alt="The query">' if picture else f'<p class="vd-big">{escape(search.title)}</p>'
    facts = _facts(item) if item else []
    listed = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    source = "selection" if search.gallery else "photo"
    others = "".join(
        f'<button type="button" data-ask="{escape(json.dumps({"choice": place}))}" '
        f'aria-pressed="{"true" if choice is search.wanted else "false"}" title="{escape(_name(choice.item))}">'
        f'<img src="{jpeg_uri(choice.item.thumbnail)}" alt="Vehicle {place + 1} of the {source}"></button>'
        for place, choice in enumerate(search.choices)
    )
    strip = f'<div class="vd-strip" role="group" aria-label="Vehicles of the {source}">{others}</div>' if others else ""
    return (
        f'<section class="vd-query" data-facts="{escape(json.dumps(facts))}" aria-label="Query">'
        f'<div class="vd-query-head"><h3>{escape(search.title)}</h3>{back}{again}</div>'
        f'<div class="vd-query-body">{shown}<dl>{listed}</dl></div>{strip}</section>'
    )


def results_html(
    search: Search,
    ranked: Sequence[Ranked],
    verdicts: Sequence[Verdict | None],
    gallery: str,
    milliseconds: float,
    second: bool,
) -> str:
    """The rank list; the script greys what is below the threshold. `second`: the order is that of re-ranking."""
    if not ranked:
        return '<div class="vd-message vd-empty" role="status"><p>Nothing matches. Take filters away.</p></div>'
    cosine = isinstance(search.wanted, Query)
    hits = "".join(
        _hit(rank, place, verdict, second)
        for rank, (place, verdict) in enumerate(zip(ranked, verdicts, strict=True), start=1)
    )
    more = ""
    if len(ranked) == search.count and search.count < MOST:
        ask = escape(json.dumps({"count": min(search.count + 2 * FEWEST, MOST)}))
        more = f'<button type="button" data-ask="{ask}">More</button>'
    order = "re-ranked by shared neighbours" if second else "by cosine" if cosine else "by plate text"
    saved = "".join(f'<button type="button" data-figure="{kind}">Figure {kind.upper()}</button>' for kind in FORMATS)
    return (
        f'<section class="vd-ranks" data-csv="{escape(ranks_csv(ranked, verdicts))}" '
        f'data-gallery="{escape(gallery)}" data-cosine="{str(cosine).lower()}" aria-label="Results">'
        f'<div class="vd-head"><strong aria-live="polite">{len(ranked)} nearest, {order}</strong>'
        f'<span class="vd-time">{milliseconds:.0f} ms</span></div>'
        f'<ol class="vd-hits">{hits}</ol>'
        f'<div class="vd-actions">{more}<button type="button" data-map-all>Show all on map</button>'
        f'<button type="button" data-ranks-csv>Download CSV</button>{saved}</div>'
        "</section>"
    )


def _filling(filling: Filling | None) -> str:
    if filling is None:
        return ""
    if filling.failure:
        return f'<p class="vd-filling vd-unsure" role="alert">{escape(filling.failure)}</p>'
    return progress_html(filling.progress) if filling.running else ""


def progress_html(progress: Progress) -> str:
    """A bar with count, rate and time left."""
    of = f" of {progress.total:,}" if progress.total is not None else ""
    left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
    rate = f", {progress.rate:.1f} per s" if progress.rate else ""
    bar = "" if progress.total is None else f'<progress max="{progress.total}" value="{progress.done}"></progress>'
    return (
        f'<p class="vd-filling" role="status">{bar}<span>Filling: {progress.done:,}{of} pictures{rate}{left}</span></p>'
    )


def _hit(rank: int, place: Ranked, verdict: Verdict | None, second: bool) -> str:
    hit, item = place.hit, place.hit.item
    camera = f"camera {escape(item.camera)}" if item.camera else ""
    plate = f'<span class="vd-hit-plate">{escape(item.plate)}</span>' if item.plate else ""
    row = escape(json.dumps({"row": hit.row}))
    mark = ""
    if verdict is not None:
        sign, word = _MARKS[verdict]
        mark = f'<span class="vd-mark"><span aria-hidden="true">{sign}</span> {word}</span>'
    return (
        f'<li class="vd-hit" data-verdict="{verdict or ""}" data-score="{hit.score:.4f}" '
        f'data-facts="{escape(json.dumps(_facts(item)))}">'
        f'<button type="button" class="vd-look" data-compare aria-label="Compare result {rank} with the query">'
        f'<img src="{jpeg_uri(item.thumbnail)}" alt=""></button>'
        f'<p class="vd-hit-head"><strong>{rank}</strong>{_moved(place.moved) if second else ""}'
        f'<span class="vd-cosine">{hit.score:.3f}</span></p>{mark}'
        f'<p class="vd-hit-name" title="{escape(_name(item))}">{escape(_name(item))}</p>'
        f'<p class="vd-quiet">{camera}{plate}</p>'
        f'<div class="vd-hit-actions"><button type="button" data-ask="{row}">Use as query</button>'
        f'<button type="button" data-map="{hit.row}" aria-label="Show on map" title="Show on map" hidden>Map</button>'
        "</div></li>"
    )


def _moved(places: int) -> str:
    if places == 0:
        return '<span class="vd-moved" title="re-ranking left it here">=</span>'
    arrow, word = ("\u25b2", "up") if places > 0 else ("\u25bc", "down")
    return (
        f'<span class="vd-moved" title="{word} {abs(places)} by re-ranking">'
        f'<span aria-hidden="true">{arrow}</span>{abs(places)}</span>'
    )


def _name(item: Item) -> str:
    """The model's name, with its make before it unless it has one: a network's names do, and it may say another."""
    complete = item.confidence is not None or item.model.startswith(item.make)
    return (item.model if complete else f"{item.make} {item.model}".strip()) or item.type or "vehicle"


def _facts(item: Item) -> list[tuple[str, str]]:
    return [(name.replace("vehicle_id", "identity"), getattr(item, name)) for name in _SHOWN if getattr(item, name)]
