"""Draw street scenes with labels as a parquet file: quick pictures in any number, for training and for tests."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools draw`."""
    parser.add_argument("--output", type=Path, required=True, help="the .parquet file to write")
    parser.add_argument("--count", type=int, default=100, help="how many scenes")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first scene")


def run(args: argparse.Namespace) -> None:
    """Write `--output`; see `drawing.write_parquet`."""
    from data_tools.drawing import write_parquet

    args.output.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(args.output, args.count, args.seed)
