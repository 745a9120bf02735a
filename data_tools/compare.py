"""Measure checkpoints side by side, whatever kind of network each holds, and print them as one table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vehicle_demo.recognition import Recognizer

_FOLDER = Path("checkpoints")
# A figure's key and what the table calls it; percentages are shares.
_ROWS = {
    "known.name_top1": "name, nearest",
    "known.name_k10": "name, ten nearest",
    "known.model_top1": "model, nearest",
    "known.type_top1": "type, nearest",
    "known.make_top1": "make, nearest",
    "new.name_top1": "new name, nearest",
    "new.make_top1": "new name's make, nearest",
    "open.auroc": "KNN+ AUROC",
    "open.fpr95": "KNN+ FPR95",
    "reid.map": "re-ID mAP",
    "reid.rank1": "re-ID rank-1",
    "reid.rank5": "re-ID rank-5",
    "reranked.map": "re-ID mAP, re-ranked",
    "reranked.rank1": "re-ID rank-1, re-ranked",
    "cost.parameters": "parameters (M)",
    "cost.gflops": "GFLOPs a picture",
    "cost.ms": "ms a picture",
    "cost.mb": "graph (MB)",
}
_NOTHING = "—"
_CLAIMED = ("top-1", "mAP", "rank-1", "rank-5")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools compare`."""
    parser.add_argument("--checkpoint", action="append", help="may be repeated; all of checkpoints/ by default")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="a data set's folder")
    parser.add_argument("--split", default="validation", help="what asks; the gallery of names is the split train")
    parser.add_argument("--limit", type=int, help="at most this many pictures of each file, for a quick look")
    parser.add_argument("--output", type=Path, help="JSON file to write")


def run(args: argparse.Namespace) -> None:
    """Print the table of what was measured, and the one of what the papers report.

    Raises:
        CheckpointError: a checkpoint cannot be loaded.
        ValueError: there is none, or the folder has no pictures of that split.
    """
    from data_tools.evaluation.papers import CLAIMS
    from vehicle_demo.recognition import Recognizer, load_checkpoint

    sources = args.checkpoint or sorted(str(path.parent) for path in _FOLDER.glob("*/checkpoint.json"))
    if not sources:
        raise ValueError(f"There are no checkpoints in {_FOLDER}. Name them with --checkpoint.")
    taught = [frozenset(load_checkpoint(source).labels.models) for source in sources]
    # The same names ask of all; what only some were shown is new to the others.
    common = frozenset.intersection(*taught)
    figures = {}
    for source, shown in zip(sources, taught, strict=True):
        recognizer = Recognizer.from_checkpoint(source)
        name = recognizer.checkpoint.name
        figures[name] = measured(recognizer, Path(source), args.data, args.split, common, shown, args.limit)
        print(f"measured {name}", flush=True)
    if not any("known.name_top1" in found or "reid.map" in found for found in figures.values()):
        raise ValueError(f"{args.data} has no pictures of the split {args.split} to compare checkpoints by.")
    print(f"\nMeasured on the split {args.split} of {args.data}:\n")
    print("\n".join(measured_table(figures)))
    print("\nReported by the papers, in per cent, on other pictures and from pretrained backbones:\n")
    rows = [
        [claim.system, claim.setting, *(_claimed(claim.figures.get(name)) for name in _CLAIMED), claim.source]
        for claim in CLAIMS
    ]
    print("\n".join(table(["system", "setting", *_CLAIMED, "from"], rows)))
    if args.output:
        args.output.write_text(json.dumps(figures, indent=1) + "\n")


def measured(
    recognizer: Recognizer, source: Path, data: Path, split: str, common: Set[str], shown: Set[str], limit: int | None
) -> dict[str, float]:
    """Every figure of one checkpoint that can be measured, by the keys of the table.

    `common` are the names that all compared checkpoints were shown, `shown` those that this one was. The new names are
    all others, and left out where it was shown some of them.
    """
    from data_tools.evaluation.cost import graph_cost, network_cost
    from data_tools.evaluation.reid import reid_sides
    from data_tools.evaluation.retrieval import embed_named, open_world_figures, retrieval_figures
    from vehicle_demo.gallery.metrics import figures_of
    from vehicle_demo.gallery.protocols import compared

    asking, gallery = (embed_named(recognizer, data, one, limit) for one in (split, "train"))
    new = frozenset(asking.told["name"].tolist()) - common
    parts: dict[str, Mapping[str, float]] = {
        "known": retrieval_figures(asking, gallery, common),
        "new": {} if new & shown else retrieval_figures(asking, gallery, new),
        "open": open_world_figures(asking, gallery, shown),
        "cost": {**graph_cost(recognizer.graphs[-1]), **network_cost(source)},
    }
    sides = reid_sides(recognizer, data, split, limit)
    if sides is not None:
        parts["reid"], parts["reranked"] = (figures_of(compared(*sides, second=again)) for again in (False, True))
    return {f"{part}.{name}": value for part, found in parts.items() for name, value in found.items()}


def measured_table(figures: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Lines of a Markdown table with a column for each checkpoint and a row for each figure that one of them has."""
    rows = [
        [title, *(_shown(found.get(key)) for found in figures.values())]
        for key, title in _ROWS.items()
        if any(key in found for found in figures.values())
    ]
    return table(["", *figures], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table whose columns stand under one another."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]


def _claimed(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:g}"


def _shown(value: float | None) -> str:
    if value is None:
        return _NOTHING
    return f"{value:.3f}" if value < 2 else f"{value:.1f}"
