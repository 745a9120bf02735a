"""The Retrain tab's own HTML: what will be learnt, how far the run is, and all versions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape

from vehicle_demo.annotation.consensus import Agreement
from vehicle_demo.retraining.compare import ASIDE, HOLDOUT, Comparison
from vehicle_demo.retraining.job import Job, Point
from vehicle_demo.retraining.readiness import Readiness
from vehicle_demo.retraining.versions import BUILT_IN, State, Version

_LISTED = 8
_STAGES = {
    "exporting": "Gathering the corrections",
    "looking": "Looking at the vehicles",
    "learning": "Fitting the heads",
    "adapting": "Adapting the backbone",
    "writing": "Writing the new graph",
    "replaying": "Looking at the training\u2019s pictures",
    "relearning": "Fitting the heads to the new graph",
    "reading": "Fitting the plate reader\u2019s last layer",
    "comparing": "Comparing old and new",
}
_PARTS = {"train": "to learn from", "validation": "to choose settings", "test": "to compare by"}
# By stage with a curve what learns, and what its share of right answers is of.
_CURVES = {
    "learning": ("heads", "models right"),
    "adapting": ("backbone", ""),
    "relearning": ("heads on the new graph", "models right"),
    "reading": ("plate reader", "plates read"),
}
_WIDTH, _HEIGHT = 320, 120


def readiness_html(ready: Readiness | None, agreed: Agreement | None, trouble: str) -> str:
    """Counts, the names that people gave, how they agree, and warnings; `trouble` where there is nothing to count."""
    if ready is None:
        return f'<p class="vd-quiet">{escape(trouble)}</p>'
    lists = "".join(
        f"<details{' open' if task == 'model' else ''}><summary>{task}: {len(names):,} names, "
        f"{sum(one.new for one in names):,} new</summary><ol>"
        + "".join(
            f"<li><span>{escape(one.name)}{' <em>new</em>' if one.new else ''}</span><span>{one.count:,}</span></li>"
            for one in names[:_LISTED]
        )
        + (f"<li><span>and {len(names) - _LISTED:,} more</span></li>" if len(names) > _LISTED else "")
        + "</ol></details>"
        for task, names in ready.names.items()
        if names
    )
    agreement = "" if ready.agreement is None else f"<div><dt>mean certainty</dt><dd>{ready.agreement:.0%}</dd></div>"
    left_out = f"<div><dt>left out</dt><dd>{ready.left_out:,}</dd></div>" if ready.left_out else ""
    plates = sum(ready.plates.values())
    misread = f"<div><dt>plates misread before</dt><dd>{ready.misread:,}</dd></div>" if plates else ""
    warnings = "".join(f'<p class="vd-warns">{escape(one)}</p>' for one in ready.warnings)
    told = f"{ready.count:,} corrections" + (f" of vehicles, {plates:,} of plates" if plates else "")
    counts = {
        part: f"{ready.parts[part]:,}" + (f" + {ready.plates[part]:,} plates" if plates else "") for part in _PARTS
    }
    parts = "".join(f"<div><dt>{label}</dt><dd>{counts[part]}</dd></div>" for part, label in _PARTS.items())
    return (
        f'<p class="vd-retrain-count">{told}</p><dl class="vd-counts">{parts}{misread}{agreement}{left_out}</dl>'
        f"{_agreement(agreed)}{lists}{warnings}"
    )


def _agreement(agreed: Agreement | None) -> str:
    """Cohen's kappa of each part, where two people were asked."""
    if agreed is None or not agreed.pairs:
        return '<p class="vd-quiet">No vehicle was named by two people, so agreement is not known.</p>'
    told = ", ".join(f"{part} {kappa:.2f}" for part, kappa in agreed.kappa.items() if kappa is not None)
    kappas = f"Cohen\u2019s kappa: {told or 'not known'}"
    return f'<p class="vd-quiet">Two people named {agreed.pairs:,} vehicles; {kappas}.</p>'


def run_html(job: Job | None, line: Sequence[str] = (), person: str | None = None) -> str:
    """How far the run is, or how it ended, and who waits; `person` is who looks."""
    if job is None:
        return '<p class="vd-quiet">Nothing has run since the app started.</p>'
    if job.failure:
        return f'<p class="vd-failed" role="alert">{escape(job.failure)}</p>{curve_svg(job.curve)}'
    if not job.running:
        bad = f'<p class="vd-warns">{len(job.bad):,} could not be used: {escape(job.bad[0])}</p>' if job.bad else ""
        return f'<p role="status">Done: {escape(job.version)} by {escape(job.person)}.</p>{bad}{curve_svg(job.curve)}'
    left = job.seconds_left
    told = "" if left is None else f", about {left:.0f} s left"
    bar = f'<progress max="{job.total}" value="{job.done}"></progress>' if job.total else "<progress></progress>"
    count = f" {job.done:,} of {job.total:,}" if job.total else ""
    spent = f'<span class="vd-quiet">since {time.monotonic() - job.since:.0f} s, by {escape(job.person)}</span>'
    cancel = '<div class="vd-actions"><button type="button" data-retrain="cancel">Cancel</button></div>'
    return (
        f'<p role="status">{_STAGES[job.stage]}{count}{told}</p>{bar}{spent}{cancel}{_line_html(line, person)}'
        f"{curve_svg(job.curve)}"
    )


def _line_html(line: Sequence[str], person: str | None) -> str:
    if not line:
        return ""
    others = f'<p class="vd-quiet">Waiting: {escape(", ".join(line))}.</p>'
    if person not in line:
        return others
    place = line.index(person) + 1
    leave = '<button type="button" data-retrain="leave">Leave the line</button>'
    return (
        f'<p class="vd-in-line" role="status">You are number {place} of {len(line)} in line; it begins by itself.</p>'
        f'<div class="vd-actions">{leave}</div>{others}'
    )


def curve_svg(curve: Sequence[Point]) -> str:
    """Loss and the share of models named right, or plates read, step by step; nothing before there are two points."""
    stages = [[point for point in curve if point.stage == stage] for stage in _CURVES]
    drawn = "".join(_curve(points, *_CURVES[points[0].stage]) for points in stages if len(points) > 1)
    return drawn or '<div class="vd-curve"></div>'


def _curve(curve: Sequence[Point], what: str, right: str) -> str:
    most = max(point.loss for point in curve)
    loss = _path([point.loss / most for point in curve], len(curve))
    aside = [point.accuracy for point in curve if point.accuracy is not None]
    line = f'<path class="vd-right" d="{_path(aside, len(curve))}"/>' if aside else ""
    told = f'<span class="vd-right">{right}, kept aside {aside[-1]:.0%}</span>' if aside else ""
    return (
        f'<figure class="vd-curve"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Learning curve">'
        f'<path class="vd-axis" d="M0 {_HEIGHT}H{_WIDTH}"/><path class="vd-loss" d="{loss}"/>{line}</svg>'
        f'<figcaption><span class="vd-loss">{what}, loss {curve[-1].loss:.2f}</span> {told}</figcaption></figure>'
    )


def timeline_html(versions: Sequence[Version | str], state: State, shared: str = "") -> str:
    """Every version, the newest first, and the built-in heads last; a word alone is a version that cannot be read.

    `shared` is where versions are pushed to, empty for nowhere.
    """
    now = state.answering
    back = button("roll back", "", now, "Roll back") if state.promoted else ""
    pin = button("unpin" if state.pinned else "pin", "", now, "Unpin" if state.pinned else "Pin")
    rows = "".join(_row(one, state, shared) for one in versions)
    before = f"; {escape(state.promoted[-2] if len(state.promoted) > 1 else BUILT_IN)} before" if state.promoted else ""
    pinned = " (pinned)" if state.pinned else ""
    return (
        f'<div class="vd-answering"><p><strong>{escape(now)}</strong> answers{pinned}{before}.</p>'
        f'<div class="vd-actions">{back}{pin}</div></div>'
        f'<ol class="vd-timeline">{rows}{_built_in(state)}</ol>'
    )


def _row(version: Version | str, state: State, shared: str) -> str:
    if isinstance(version, str):
        return f'<li class="vd-broken"><p role="alert">{escape(version)}</p></li>'
    name, about = version.name, version.about
    actions = {"show": "Compare", "file": "Download"}
    if shared:
        actions["push"] = f"Push to {shared}"
    if name != state.answering:
        actions["promote"] = "Promote"
    choices = "".join(button(action, name, state.answering, escape(label)) for action, label in actions.items())
    figures = _figures(about.figures)
    graph = {"": "", name: "a graph of its own"}.get(version.backbone, f"the graph of {version.backbone}")
    when = f"{version.at[:16].replace('T', ' ')} UTC"
    return (
        f"<li{' class=vd-answers' if name == state.answering else ''}><p><strong>{escape(name)}</strong>"
        f'{marks(name, state)} <span class="vd-quiet">{escape(when)}, {escape(about.person)}, '
        f"from {escape(about.parent)}{f', {escape(graph)}' if graph else ''}</span></p><p>{figures}</p>"
        f'<div class="vd-actions">{choices}</div></li>'
    )


def _built_in(state: State) -> str:
    current = state.answering == BUILT_IN
    choice = "" if current else button("promote", BUILT_IN, state.answering, "Promote")
    return (
        f"<li{' class=vd-answers' if current else ''}><p><strong>{BUILT_IN}</strong>{marks(BUILT_IN, state)} "
        f'<span class="vd-quiet">as the checkpoint ships</span></p><div class="vd-actions">{choice}</div></li>'
    )


def marks(name: str, state: State) -> str:
    """What is to be known of a version at a glance."""
    found = [
        word for word, true in (("answers", name == state.answering), ("discarded", name in state.discarded)) if true
    ]
    return "".join(f' <span class="vd-badge">{word}</span>' for word in found)


def _figures(values: object) -> str:
    try:
        comparison = Comparison.from_dict(values)  # type: ignore[arg-type]
    except (KeyError, TypeError):
        return ""
    told = []
    for part in (ASIDE, HOLDOUT):
        change = comparison.figures[part]["model"].top1
        if change.before.count:
            told.append(f"{part}: model {change.after.value:.1%} ({change.value * 100:+.1f})")
        if (plates := comparison.plates.get(part)) and plates.exact.before.count:
            told.append(f"plates {plates.exact.after.value:.1%} ({plates.exact.value * 100:+.1f})")
    return escape("; ".join(told))


def button(action: str, version: str, seen: str, label: str, kind: str = "") -> str:
    """What a person may press; `seen` is the version that answers while the page is drawn."""
    looks = f' class="{kind}"' if kind else ""
    about = f' aria-label="{label} {escape(version)}"' if version else ""
    return (
        f'<button type="button"{looks}{about} data-retrain="{action}" data-version="{escape(version)}" '
        f'data-seen="{escape(seen)}">{label}</button>'
    )


def _path(values: Sequence[float], count: int) -> str:
    """A line through shares in [0, 1], from left to right, of `count` steps in all."""
    points = (
        f"{place * _WIDTH / (count - 1):.1f} {_HEIGHT * (1 - min(max(value, 0.0), 1.0)):.1f}"
        for place, value in enumerate(values)
    )
    return "M" + "L".join(points)
