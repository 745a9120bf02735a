"""Fit new heads from a corrections data set, compare them with those that answer, and keep them as a version."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vehicle_demo.retraining.compare import Comparison
    from vehicle_demo.retraining.shares import Change


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools retrain`."""
    parser.add_argument("--checkpoint", required=True, help="a folder or a Hub model, with its weights and replay bank")
    parser.add_argument("--corrections", type=Path, required=True, help="a folder with data/train.parquet and so on")
    parser.add_argument("--home", type=Path, help="by default VEHICLE_DEMO_HOME, else the user's data folder")
    parser.add_argument("--person", default="", help="whose version it is; by default who is logged in")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, help="step size; by default, as what follows, chosen among several")
    parser.add_argument("--weight", type=float, help="of the corrections against the replay")
    parser.add_argument("--decay", type=float, help="towards the heads that answer now")
    parser.add_argument(
        "--adapt-backbone", action="store_true", help="by LoRA too: the version gets a graph of its own"
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="what it was trained on, for that")
    parser.add_argument("--promote", action="store_true", help="let the app answer by it at once")


def run(args: argparse.Namespace) -> None:
    """Print the comparison and where the version is; a running app answers by it as soon as it is promoted.

    Raises:
        FileNotFoundError: the folder holds no corrections.
        CheckpointError: the checkpoint cannot be loaded.
        ValueError: there is nothing to learn from, or the version could not be written or promoted.
    """
    import getpass

    from tqdm import tqdm

    from vehicle_demo.home import home
    from vehicle_demo.recognition import Recognizer
    from vehicle_demo.retraining.retrain import retrain, versions_of
    from vehicle_demo.retraining.settings import Wishes
    from vehicle_demo.retraining.shipped import RetrainError
    from vehicle_demo.retraining.versions import VersionError

    if not (args.corrections / "data").is_dir() and not (args.corrections / "plates.parquet").exists():
        raise FileNotFoundError(
            f"{args.corrections} holds no corrections: unpack what the Review tab's Download dataset gives there."
        )
    recognizer = Recognizer.from_checkpoint(args.checkpoint)
    versions = versions_of(args.home or home(), recognizer)
    person = args.person or getpass.getuser()
    wishes, data = Wishes(args.rate, args.weight, args.decay), args.data if args.adapt_backbone else None
    try:
        answering = versions.state().answering
        with tqdm(desc="looking") as bar:
            for step in retrain(recognizer, versions, args.corrections, person, args.seed, wishes, data):
                if bar.desc.rstrip(": ") != step.stage:
                    bar.set_description(step.stage)
                bar.total, bar.n = step.total, step.done
                bar.refresh()
        assert step.version is not None and step.comparison is not None
        for reason in step.bad:
            print(f"passed over: {reason}")
        for line in lines(step.comparison):
            print(line)
        print(f"{versions.folder / step.version.name}")
        if args.promote:
            versions.promote(step.version.name, person, answering)
            print(f"{step.version.name} answers now; {answering} did before.")
    except (RetrainError, VersionError) as error:
        raise ValueError(str(error)) from error


def lines(comparison: Comparison) -> Iterator[str]:
    """A comparison to be read in a terminal: the figures, what got worse, the verdict."""
    for part, tasks in comparison.figures.items():
        for task, figures in tasks.items():
            for name, change in (("top-1", figures.top1), ("top-5", figures.top5)):
                yield _told(f"{part}, {task} {name}", change, "vehicles")
            was, now = figures.calibration
            yield f"{part}, {task} expected calibration error: {was:.4f} -> {now:.4f}"
    for part, plates in comparison.plates.items():
        yield _told(f"{part}, plates read exactly", plates.exact, "plates")
        was, now = plates.cer
        yield f"{part}, character error rate: {was:.4f} -> {now:.4f}"
    for one in comparison.worse:
        before, after = one.change.before, one.change.after
        yield f"worse: {one.task} {one.name}: {before.right} -> {after.right} of {before.count}"
    yield comparison.verdict


def _told(figure: str, change: Change, what: str) -> str:
    low, high = change.interval
    return (
        f"{figure}: {change.before.value:.4f} -> {change.after.value:.4f} "
        f"({change.value:+.4f}, 95 % {low:+.4f} to {high:+.4f}, {change.before.count} {what})"
    )
