"""The Retrain tab's own HTML: what will be learnt, how far the run is, what came of it, and all versions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape

from vehicle_demo.retraining.compare import ASIDE, HOLDOUT, Change, Class, Comparison, Figures
from vehicle_demo.retraining.job import Job, Point
from vehicle_demo.retraining.readiness import Readiness
from vehicle_demo.retraining.versions import BUILT_IN, State, Version

_LISTED = 8
_STAGES = {
    "exporting": "Gathering the corrections",
    "looking": "Looking at the vehicles",
    "learning": "Fitting the heads",
    "comparing": "Comparing old and new",
}
_WIDTH, _HEIGHT = 320, 120


def readiness_html(ready: Readiness | None, trouble: str) -> str:
    """Counts, the names that people gave, and warnings; `trouble` where there is nothing to count."""
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
    )
    agreement = "" if ready.agreement is None else f"<div><dt>agreement</dt><dd>{ready.agreement:.0%}</dd></div>"
    left_out = f"<div><dt>left out</dt><dd>{ready.left_out:,}</dd></div>" if ready.left_out else ""
    warnings = "".join(f'<p class="vd-warns">{escape(one)}</p>' for one in ready.warnings)
    return (
        f'<p class="vd-retrain-count">{ready.count:,} corrections</p><dl class="vd-counts">'
        f"<div><dt>to learn from</dt><dd>{ready.parts['train']:,}</dd></div>"
        f"<div><dt>to choose settings</dt><dd>{ready.parts['validation']:,}</dd></div>"
        f"<div><dt>to compare by</dt><dd>{ready.parts['test']:,}</dd></div>{agreement}{left_out}</dl>{lists}{warnings}"
    )


def run_html(job: Job | None) -> str:
    """How far the run is, or how it ended."""
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
    return (
        f'<p role="status">{_STAGES[job.stage]}{count}{told}</p>{bar}{spent}{curve_svg(job.curve)}'
        '<div class="vd-actions"><button type="button" data-retrain="cancel">Cancel</button></div>'
    )


def curve_svg(curve: Sequence[Point]) -> str:
    """Loss and the share of models named right, step by step; nothing before there are two points."""
    if len(curve) < 2:
        return '<div class="vd-curve"></div>'
    most = max(point.loss for point in curve)
    loss = _path([point.loss / most for point in curve], len(curve))
    aside = [point.accuracy for point in curve if point.accuracy is not None]
    line = f'<path class="vd-right" d="{_path(aside, len(curve))}"/>' if aside else ""
    told = f'<span class="vd-right">models right, kept aside {aside[-1]:.0%}</span>' if aside else ""
    return (
        f'<figure class="vd-curve"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Learning curve">'
        f'<path class="vd-axis" d="M0 {_HEIGHT}H{_WIDTH}"/><path class="vd-loss" d="{loss}"/>{line}</svg>'
        f'<figcaption><span class="vd-loss">loss {curve[-1].loss:.2f}</span> {told}</figcaption></figure>'
    )


def verdict_html(version: Version | None, comparison: Comparison | None, state: State) -> str:
    """The sentence, before and after, what got worse first, and the decision, or what was decided."""
    if version is None:
        return '<p class="vd-quiet">When a run has ended, old and new are compared here, and you decide.</p>'
    if comparison is None:
        return f'<p class="vd-failed" role="alert">The figures of {escape(version.name)} cannot be read.</p>'
    answering = state.answering
    if version.name in (*state.discarded, answering):
        decision = f"<p>{escape(version.name)}{_marks(version.name, state)}</p>"
    else:
        promote = _button("promote", version.name, answering, "Promote", "vd-main" if comparison.better else "")
        discard = _button("discard", version.name, answering, "Discard")
        decision = f'<div class="vd-actions">{promote}{discard}</div>'
    mark = "vd-known" if comparison.better else "vd-unknown"
    sign = "\u2713" if comparison.better else "?"
    tables = "".join(_table(part, comparison) for part in (ASIDE, HOLDOUT))
    turned = "".join(
        f"<li>{escape(one.truth)}: was right, now {escape(one.after)}</li>" for one in comparison.turned[:_LISTED]
    )
    listed = _classes("Got worse", comparison.worse) + (
        f"<details><summary>Vehicles kept aside that turned wrong: {len(comparison.turned):,}</summary>"
        f"<ul>{turned}</ul></details>"
        if turned
        else ""
    )
    return (
        f'<p class="vd-retrain-verdict"><span class="{mark}" aria-hidden="true">{sign}</span> '
        f"{escape(comparison.verdict)}</p>"
        f"{decision}{tables}{listed}{_classes('Got better', comparison.improved)}"
    )


def timeline_html(versions: Sequence[Version | str], state: State) -> str:
    """Every version, the newest first, and the built-in heads last; a word alone is a version that cannot be read."""
    now = state.answering
    back = _button("roll back", "", now, "Roll back") if state.promoted else ""
    pin = _button("unpin" if state.pinned else "pin", "", now, "Unpin" if state.pinned else "Pin")
    rows = "".join(_row(one, state) for one in versions)
    before = f"; {escape(state.promoted[-2] if len(state.promoted) > 1 else BUILT_IN)} before" if state.promoted else ""
    pinned = " (pinned)" if state.pinned else ""
    return (
        f'<div class="vd-answering"><p><strong>{escape(now)}</strong> answers{pinned}{before}.</p>'
        f'<div class="vd-actions">{back}{pin}</div></div>'
        f'<ol class="vd-timeline">{rows}{_built_in(state)}</ol>'
    )


def _row(version: Version | str, state: State) -> str:
    if isinstance(version, str):
        return f'<li class="vd-broken"><p role="alert">{escape(version)}</p></li>'
    name, about = version.name, version.about
    marks = _marks(name, state)
    choices = "" if name == state.answering else _button("promote", name, state.answering, "Promote")
    figures = _figures(about.figures)
    return (
        f"<li{' class=vd-answers' if name == state.answering else ''}><p><strong>{escape(name)}</strong>{marks} "
        f'<span class="vd-quiet">{escape(version.at[:16].replace("T", " "))} UTC, {escape(about.person)}, '
        f"from {escape(about.parent)}</span></p><p>{figures}</p>"
        f'<div class="vd-actions">{choices}</div></li>'
    )


def _built_in(state: State) -> str:
    current = state.answering == BUILT_IN
    choice = "" if current else _button("promote", BUILT_IN, state.answering, "Promote")
    return (
        f"<li{' class=vd-answers' if current else ''}><p><strong>{BUILT_IN}</strong>{_marks(BUILT_IN, state)} "
        f'<span class="vd-quiet">as the checkpoint ships</span></p><div class="vd-actions">{choice}</div></li>'
    )


def _marks(name: str, state: State) -> str:
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
    return escape("; ".join(told))


def _button(action: str, version: str, seen: str, label: str, kind: str = "") -> str:
    looks = f' class="{kind}"' if kind else ""
    about = f' aria-label="{label} {escape(version)}"' if version else ""
    return (
        f'<button type="button"{looks}{about} data-retrain="{action}" data-version="{escape(version)}" '
        f'data-seen="{escape(seen)}">{label}</button>'
    )


def _table(part: str, comparison: Comparison) -> str:
    figures = comparison.figures[part]
    count = max(one.top1.before.count for one in figures.values())
    if not count:
        return ""
    rows = "".join(_line(task, "top-1", one.top1) + _line(task, "top-5", one.top5) for task, one in figures.items())
    rows += "".join(_calibration(task, one) for task, one in figures.items())
    return (
        f'<table><caption>{escape(part)} <span class="vd-quiet">{count:,} vehicles</span></caption><thead><tr>'
        '<th scope="col">figure</th><th scope="col">before</th><th scope="col">after</th><th scope="col">change</th>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def _line(task: str, figure: str, change: Change) -> str:
    low, high = (limit * 100 for limit in change.interval)
    return (
        f'<tr><th scope="row">{task} {figure}</th><td>{change.before.value:.1%}</td><td>{change.after.value:.1%}</td>'
        f"<td>{change.value * 100:+.1f}<small>{low:+.1f} to {high:+.1f}</small></td></tr>"
    )


def _calibration(task: str, figures: Figures) -> str:
    before, after = figures.calibration
    return (
        f'<tr><th scope="row">{task} calibration error</th><td>{before:.3f}</td><td>{after:.3f}</td>'
        f"<td>{after - before:+.3f}</td></tr>"
    )


def _classes(title: str, classes: Sequence[Class]) -> str:
    if not classes:
        return ""
    rows = "".join(
        f"<li><span>{escape(one.name)} <small>{one.task}</small></span><span>{one.change.before.right} "
        f"\u2192 {one.change.after.right} of {one.change.before.count}"
        f"<small>{one.change.after.interval[0]:.0%}\u2013{one.change.after.interval[1]:.0%}</small></span></li>"
        for one in classes[:_LISTED]
    )
    return f"<details{' open' if title == 'Got worse' else ''}><summary>{title}</summary><ol>{rows}</ol></details>"


def _path(values: Sequence[float], count: int) -> str:
    """A line through shares in [0, 1], from left to right, of `count` steps in all."""
    points = (
        f"{place * _WIDTH / (count - 1):.1f} {_HEIGHT * (1 - min(max(value, 0.0), 1.0)):.1f}"
        for place, value in enumerate(values)
    )
    return "M" + "L".join(points)
