"""Old heads against new ones in the Retrain tab: the verdict, what got worse with pictures, and all figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from vehicle_demo.recognition.heads import TENSORS
from vehicle_demo.retraining.compare import ASIDE, CHARACTER, HOLDOUT, Class, Comparison, Figures, PlateFigures, Turned
from vehicle_demo.retraining.shares import Change
from vehicle_demo.retraining.versions import State, Version
from vehicle_demo.ui.charts import confusion_svg
from vehicle_demo.ui.comparison import button, marks

_PICTURES = 12
_LISTED = 8
_SETS = (ASIDE, HOLDOUT)
# The one that people ask for first.
_TASKS = tuple(TENSORS)[::-1]

# The vehicle that turned as a data URI, empty where its picture is gone.
Show = Callable[[Turned], str]


def verdict_html(version: Version | None, comparison: Comparison | None, state: State) -> str:
    """The sentence, the decision, or what was decided, and what becomes of each head."""
    if version is None:
        return '<p class="vd-quiet">When a run has ended, old and new are compared here, and you decide.</p>'
    if comparison is None:
        return f'<p class="vd-failed" role="alert">The figures of {escape(version.name)} cannot be read.</p>'
    answering = state.answering
    if version.name in (*state.discarded, answering):
        decision = f"<p>{escape(version.name)}{marks(version.name, state)}</p>"
    else:
        promote = button("promote", version.name, answering, "Promote", "vd-main" if comparison.better else "")
        decision = f'<div class="vd-actions">{promote}{button("discard", version.name, answering, "Discard")}</div>'
    mark, sign = ("vd-known", "\u2713") if comparison.better else ("vd-unknown", "?")
    return (
        f'<p class="vd-retrain-verdict"><span class="{mark}" aria-hidden="true">{sign}</span> '
        f"{escape(comparison.verdict)}</p>{decision}{''.join(_headline(part, comparison) for part in _SETS)}"
    )


def comparison_html(version: Version, comparison: Comparison, show: Show | None) -> str:
    """What got worse, first, then every figure, the confusions and what got better; without `show` no pictures."""
    about = f"{escape(version.name)} against {escape(version.about.parent)}, from which it was fitted"
    worse = _classes(comparison.worse, "vd-fell") or '<p class="vd-quiet">No name lost a vehicle.</p>'
    better = _classes(comparison.improved, "vd-rose") or '<p class="vd-quiet">No name gained a vehicle.</p>'
    return (
        f'<p class="vd-quiet">{about}. {_KEY}</p><div class="vd-changes">'
        f'<section><h4><span class="vd-cross" aria-hidden="true">\u00d7</span> Got worse</h4>{worse}'
        f"{_turned(comparison.turned, show)}</section>"
        f'<section><h4><span class="vd-known" aria-hidden="true">\u2713</span> Got better</h4>{better}</section>'
        f"</div>{_confusions(comparison)}"
        f'<details data-fold="figures"><summary>All figures with their intervals</summary><div class="vd-changes">'
        f"{''.join(_table(part, comparison) for part in _SETS)}</div></details>"
    )


_KEY = '<span class="vd-key"><i class="vd-was"></i> before <i class="vd-now"></i> after, with its 95 % interval</span>'


def _headline(part: str, comparison: Comparison) -> str:
    """Top-1 of each head on a set of vehicles, and how many plates of the set are read exactly."""
    rows = [_bar(task, "", one.top1, _mood(one.top1)) for task, one in _named(part, comparison)]
    rows += [_bar("plate", "read exactly", one.exact, _mood(one.exact)) for one in _read(part, comparison)]
    count = _count(part, comparison)
    return f'<h4>{escape(part)} {count}</h4><ol class="vd-bars">{"".join(rows)}</ol>' if rows else ""


def _named(part: str, comparison: Comparison) -> list[tuple[str, Figures]]:
    """The heads of vehicles with their figures, where the set has vehicles."""
    figures = comparison.figures[part]
    return [(task, figures[task]) for task in _TASKS] if any(f.top1.before.count for f in figures.values()) else []


def _read(part: str, comparison: Comparison) -> list[PlateFigures]:
    """The reader's figures, where the set has plates."""
    return [one for name, one in comparison.plates.items() if name == part and one.exact.before.count]


def _count(part: str, comparison: Comparison) -> str:
    vehicles = max((one.top1.before.count for _, one in _named(part, comparison)), default=0)
    counts = [f"{vehicles:,} vehicles"] if vehicles else []
    counts += [f"{one.exact.before.count:,} plates" for one in _read(part, comparison)]
    return f'<span class="vd-quiet">{", ".join(counts)}</span>'


def _classes(classes: Sequence[Class], mood: str) -> str:
    rows = "".join(_bar(one.name, f"{one.task}, {one.part}", one.change, mood) for one in classes[:_LISTED])
    more = f'<p class="vd-quiet">and {len(classes) - _LISTED} more</p>' if len(classes) > _LISTED else ""
    return f'<ol class="vd-bars">{rows}</ol>{more}' if rows else ""


def _bar(name: str, where: str, change: Change, mood: str) -> str:
    """A line from the share that was right before to that after, and what that makes, in figures."""
    low, high = (100 * limit for limit in change.after.interval)
    before, after = 100 * change.before.value, 100 * change.after.value
    least, most = (100 * limit for limit in change.interval)
    reach = f"left:{low:.1f}%;width:{high - low:.1f}%"
    return (
        f'<li class="{mood}"><span class="vd-bars-name">{escape(name)}<small>{escape(where)}</small></span>'
        f'<span class="vd-track" aria-hidden="true"><i class="vd-range" style="{reach}"></i>'
        f'<i class="vd-was" style="left:{before:.1f}%"></i><i class="vd-now" style="left:{after:.1f}%"></i></span>'
        f'<span class="vd-bars-told">{change.before.right:,} \u2192 {change.after.right:,} of {change.before.count:,}'
        f"<small>{change.value * 100:+.1f} points ({least:+.1f} to {most:+.1f})</small></span></li>"
    )


def _mood(change: Change) -> str:
    low, high = change.interval
    return "vd-rose" if low > 0 else "vd-fell" if high < 0 else ""


def _turned(turned: Sequence[Turned], show: Show | None) -> str:
    """Vehicles and plates kept aside that are wrong now, with what they were taken for; the most wrong parts first."""
    vehicles: dict[tuple[str, tuple[float, ...]], list[Turned]] = {}
    for one in turned:
        vehicles.setdefault((one.picture, one.box), []).append(one)
    if not vehicles:
        return ""
    shown = sorted(vehicles.values(), key=len, reverse=True)[:_PICTURES]
    left = f", {_PICTURES} of them" if len(vehicles) > _PICTURES else ""
    unseen = "" if show else '<p class="vd-quiet">Who may change things here also sees their pictures.</p>'
    cards = "".join(f"<li>{_picture(one[0], show) if show else ''}{''.join(map(_said, one))}</li>" for one in shown)
    return (
        f"<h5>Right before, wrong now: {len(vehicles):,} of those kept aside{left}</h5>{unseen}"
        f'<ol class="vd-turned">{cards}</ol>'
    )


def _picture(turned: Turned, show: Show) -> str:
    uri = show(turned)
    if not uri:
        return '<span class="vd-no-picture">no picture here</span>'
    return f'<img src="{uri}" alt="{escape(turned.truth)}">'


def _said(turned: Turned) -> str:
    return (
        f'<span>{escape(turned.truth)}</span><span class="vd-cross"><span aria-hidden="true">\u00d7</span> '
        f"{escape(turned.after)}</span>"
    )


def _confusions(comparison: Comparison) -> str:
    """A figure for each head of the set that says most: the corrections kept aside, else the hold-out."""
    part = next((one for one in _SETS if any(c.names for c in comparison.confusions[one].values())), None)
    if part is None:
        return ""
    found = [
        (task, one) for task in (*_TASKS, CHARACTER) if (one := comparison.confusions[part].get(task)) and one.names
    ]
    figures = "".join(
        f'<details data-fold="confusion {task}"{"" if place else " open"}><summary>Who is taken for whom: {task}, '
        f'{escape(part)}</summary><figure class="vd-confusion">{confusion_svg(one, task)}</figure></details>'
        for place, (task, one) in enumerate(found)
    )
    return f'{figures}<p class="vd-quiet">Rows are true names. Counts that have changed are bold.</p>'


def _table(part: str, comparison: Comparison) -> str:
    named, read = _named(part, comparison), _read(part, comparison)
    if not named and not read:
        return ""
    rows = [
        *(line for task, one in named for line in (_line(f"{task} top-1", one.top1), _line(f"{task} top-5", one.top5))),
        *(_difference(f"{task} calibration error", one.calibration) for task, one in named),
        *(_line("plate read exactly", one.exact) for one in read),
        *(_difference("character error rate", one.cer) for one in read),
    ]
    return (
        f"<table><caption>{escape(part)} {_count(part, comparison)}</caption><thead><tr>"
        '<th scope="col">figure</th><th scope="col">before</th><th scope="col">after</th><th scope="col">change</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _line(figure: str, change: Change) -> str:
    low, high = (limit * 100 for limit in change.interval)
    return (
        f'<tr><th scope="row">{figure}</th><td>{change.before.value:.1%}</td><td>{change.after.value:.1%}</td>'
        f"<td>{change.value * 100:+.1f}<small>{low:+.1f} to {high:+.1f}</small></td></tr>"
    )


def _difference(figure: str, values: tuple[float, float]) -> str:
    before, after = values
    return (
        f'<tr><th scope="row">{figure}</th><td>{before:.3f}</td><td>{after:.3f}</td><td>{after - before:+.3f}</td></tr>'
    )
