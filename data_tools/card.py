"""Measure a checkpoint in every precision; write the figures into its model card and draw its charts."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_tools.evaluation.attributes import Named, Task

BEGIN, END = "<!-- figures: python -m data_tools card -->", "<!-- end of figures -->"
# Training logs, and the curves drawn of them.
LOGS = {f"{part}training.jsonl": f"{part}training.png" for part in ("", "reader_", "corners_")}
CONFUSION = "plate_confusion.png"
_CONFUSED = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools card`."""
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/vehicledino-nano"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of parquet files")
    parser.add_argument("--split", default="validation")


def run(args: argparse.Namespace) -> None:
    """Write `figures.json`, the table between the card's two markers, and the charts that logs and plates give.

    Of a network that only embeds the figures are those of `compare`.

    Raises:
        FileNotFoundError: the checkpoint has no README.md with both markers.
    """
    from data_tools.charts import draw_confusion, draw_curve
    from data_tools.compare import measured, measured_table
    from data_tools.evaluate import evaluate
    from data_tools.evaluation.attributes import name_vehicles
    from data_tools.evaluation.plates import confusions, read_crops
    from vehicle_demo.recognition import Recognizer, load_checkpoint

    card = args.checkpoint / "README.md"
    text = card.read_text() if card.exists() else ""
    if BEGIN not in text or END not in text:
        raise FileNotFoundError(f"{card} must have the lines {BEGIN} and {END}: the table goes between them.")
    shown = Recognizer.from_checkpoint(args.checkpoint)
    figures: Mapping[str, Any]
    if shown.names_by_another:
        # What is found and named would be the other's figures.
        names = frozenset(load_checkpoint(args.checkpoint).labels.models)
        figures = {shown.checkpoint.name: measured(shown, args.checkpoint, args.data, args.split, names, names, None)}
        table = "\n".join(measured_table(figures)) + "\n"
    else:
        figures = {
            precision: evaluate(Recognizer.from_checkpoint(args.checkpoint, precision), args.data, args.split)
            for precision in shown.checkpoint.graphs
        }
        named = name_vehicles(shown, args.data, args.split, None)
        table = figures_table(figures) + (f"\n{confusion_table(named)}" if named else "")
        reads = read_crops(shown, args.data, args.split, None)
        if reads:
            draw_confusion(confusions(reads), args.checkpoint / CONFUSION)
    (args.checkpoint / "figures.json").write_text(json.dumps({args.split: figures}, indent=1) + "\n")
    before, rest = text.split(BEGIN)
    card.write_text(f"{before}{BEGIN}\n\n{table}\n{END}{rest.split(END)[1]}")
    print(table)
    for log, curve in LOGS.items():
        if (args.checkpoint / log).exists():
            draw_curve(args.checkpoint / log, args.checkpoint / curve)


def figures_table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table with a row for every figure and a column for every precision."""
    from data_tools.evaluate import flattened

    columns = {precision: dict(flattened(values)) for precision, values in figures.items()}
    rows = [["figure", *(precision.upper() for precision in columns)], ["---"] * (len(columns) + 1)]
    for name in next(iter(columns.values())):
        values = (column.get(name) for column in columns.values())
        rows.append([f"`{name}`", *(f"{v:.3f}" if isinstance(v, float) else str(v) for v in values)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def confusion_table(named: Sequence[Named]) -> str:
    """A Markdown table of what is most often taken for what, by task; counts are pictures."""
    from data_tools.evaluation.attributes import most_confused

    tasks: tuple[Task, ...] = ("type", "make", "model")
    columns = [
        [f"{truth} as {given} ({times})" for truth, given, times in most_confused(named, task, _CONFUSED)]
        for task in tasks
    ]
    rows = [[f"{task} most often confused" for task in tasks], ["---"] * len(tasks)]
    rows += [list(row) for row in zip_longest(*columns, fillvalue="")]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
