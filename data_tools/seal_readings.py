"""Add what somebody read by eye on photos' plates to the readings that the reader learns from and is measured by."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from data_tools.train import DEFAULT_DATA, add_data_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools seal-readings`."""
    parser.add_argument(
        "--texts", type=Path, required=True, help="CSV with columns path, box (from 0) and text; - for a character"
        " that cannot be told, nothing for a plate that cannot be read",
    )  # fmt: skip
    add_data_argument(parser)
    parser.add_argument("--output", type=Path, default=None, help="by default the project's own file")


def run(args: argparse.Namespace) -> None:
    """Write the file anew with these readings in place of earlier ones of the same plates.

    Raises:
        ValueError: a reading is none, or its photo is not in the data folders.
    """
    from data_tools.readers import parquet
    from data_tools.readers.readings import READINGS_FILE, sealed

    output = args.output or READINGS_FILE
    folders = args.data or DEFAULT_DATA
    photos = {picture.path: picture for folder in folders for picture in parquet.read(folder, "plate_photos")}
    lines = dict(line.split() for line in output.read_text().splitlines()) if output.exists() else {}
    with args.texts.open(newline="") as rows:
        for row in csv.DictReader(rows):
            if row["path"] not in photos:
                raise ValueError(f"There is no photo {row['path']} in {', '.join(map(str, folders))}.")
            plate, text = sealed(photos[row["path"]].encoded, int(row["box"]), row["text"]).split()
            lines[plate] = text
    output.write_text("".join(f"{plate} {lines[plate]}\n" for plate in sorted(lines)))
    print(f"{len(lines)} readings in {output}.")
