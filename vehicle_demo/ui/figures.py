"""The Benchmark tab's own HTML: the table of figures, the charts, and the command that prints them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from vehicle_demo.gallery.measuring import PROTOCOLS
from vehicle_demo.gallery.metrics import Estimate
from vehicle_demo.gallery.protocols import RERANKED_UP_TO, Report, Step, Table
from vehicle_demo.ui.charts import cmc_svg, novelty_svg
from vehicle_demo.ui.exports import figures_csv

_NAMES = {
    "map": "mAP", "rank1": "Rank-1", "rank5": "Rank-5", "rank10": "Rank-10", "auroc": "AUROC", "fpr95": "FPR95",
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """What was measured: the gallery by name, how many rows it had then, the checkpoint, and the protocol."""

    gallery: str
    rows: int
    checkpoint: str
    protocol: str

    @property
    def command(self) -> str:
        """Prints the same figures in a shell."""
        return f"python -m data_tools measure-gallery --gallery {shlex.quote(self.gallery)} --protocol {self.protocol}"


def report_html(measured: Measured, report: Report) -> str:
    """Tables and chart side by side, under them the command and the download."""
    tables = "".join(_table(table, report, measured) for table in report.tables)
    chart = novelty_svg(*report.novelty) if report.novelty else cmc_svg(report.tables)
    said = "Known against unknown, all trials" if report.novelty else "CMC, with the range of each point"
    file = f"{measured.gallery}-{measured.protocol}.csv"
    return (
        f'<section class="vd-figures" aria-label="Figures of {escape(measured.gallery)}">'
        f'<h3>{escape(PROTOCOLS[measured.protocol].title)} <span class="vd-quiet">{escape(measured.gallery)}, '
        f"{measured.rows:,} rows, {escape(measured.checkpoint)}</span></h3>"
        f'<div class="vd-figures-body"><div>{tables}<p class="vd-quiet">Range: {escape(report.ranges)}.</p></div>'
        f'<figure><figcaption class="vd-quiet">{said}</figcaption>{chart}</figure></div>'
        f'<div class="vd-command"><code>{escape(measured.command)}</code>'
        f'<button type="button" data-copied="{escape(measured.command)}">Copy the command</button>'
        f'<button type="button" data-figures-csv="{escape(figures_csv(report))}" data-name="{escape(file)}">'
        "Download CSV</button></div></section>"
    )


def words_html(protocol: str) -> str:
    """How a protocol goes."""
    return f'<p class="vd-quiet vd-words">{escape(PROTOCOLS[protocol].words)}</p>'


def working_html(step: Step, seconds: float) -> str:
    """How far measuring is, and how long it may still take."""
    left = f"about {seconds / step.done * (step.total - step.done):.0f} s left" if step.done else "measuring"
    return (
        '<div class="vd-message vd-working" role="status"><p>'
        f'<progress max="{step.total}" value="{step.done}"></progress> step {step.done + 1} of {step.total}, {left}'
        "</p></div>"
    )


def stale_html(measured: Measured, gallery: str, protocol: str, rows: int) -> str:
    """A line above what was measured, where that is not what is chosen now or the gallery has changed; else nothing."""
    if (measured.gallery, measured.protocol) != (gallery, protocol):
        said = f"Below is {measured.gallery}, {PROTOCOLS[measured.protocol].title}. Press Run for what is chosen now."
    elif measured.rows != rows:
        said = f"Below is {gallery} with {measured.rows:,} rows; it has {rows:,} now. Press Run again."
    else:
        return ""
    return f'<p class="vd-stale" role="status">{escape(said)}</p>'


def _table(table: Table, report: Report, measured: Measured) -> str:
    columns = dict(table.variants)
    title = f"<caption>{escape(table.name)}</caption>" if table.name else ""
    first = "cosine" if "map" in table.plain else "KNN+"
    heads = "".join(f'<th scope="col">{name or first}</th>' for name in columns)
    lines = "".join(_line(name, columns, table, report, measured) for name in _NAMES if name in table.plain)
    counts = " · ".join(f"{name} {count:,}" for name, count in table.counts.items())
    # Novelty has no order to put right.
    more = f" · re-ranked up to {RERANKED_UP_TO:,} pictures only" if "map" in table.plain and len(columns) == 1 else ""
    return (
        f'<table>{title}<thead><tr><th scope="col">figure</th>{heads}<td></td></tr></thead><tbody>{lines}</tbody>'
        f"</table><p>{counts}{more}</p>"
    )


def _line(
    name: str, columns: Mapping[str, Mapping[str, Estimate]], table: Table, report: Report, measured: Measured
) -> str:
    cells = "".join(f"<td>{_value(figures[name])}</td>" for figures in columns.values())
    told = ", ".join(f"{variant} {_plain(figures[name])}".strip() for variant, figures in columns.items())
    where = f" ({table.name})" if table.name else ""
    text = f"{_NAMES[name]}{where} {told}; {report.ranges}; {measured.checkpoint}; {measured.command}"
    return (
        f'<tr><th scope="row">{_NAMES[name]}</th>{cells}<td><button type="button" data-copied="{escape(text)}" '
        f'aria-label="Copy {_NAMES[name]}{escape(where)} with its command">Copy</button></td></tr>'
    )


def _value(estimate: Estimate) -> str:
    return f"{estimate.value:.4f}<small>{estimate.low:.4f}\u2013{estimate.high:.4f}</small>"


def _plain(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"
