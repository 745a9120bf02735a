"""Draw number plates that no reader was taught, for `evaluate` to measure how well each style is read."""

from __future__ import annotations

import argparse
from pathlib import Path

HELD_OUT_SEED = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools draw-plates`."""
    parser.add_argument("--output", type=Path, required=True, help="folder for plate_crops.parquet")
    parser.add_argument("--count", type=int, default=150, help="plates of each of the fleet's eight styles")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED, help="above that of the reader's config")


def run(args: argparse.Namespace) -> None:
    """Write `plate_crops.parquet`, all of it split `validation`, with a source for each style.

    Raises:
        ValueError: the seed is one that the shipped reader's plates, or an earlier one's, were drawn with.
    """
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    from data_tools.drawing.plates import LAYOUTS
    from data_tools.training.config import load_plate_config
    from data_tools.training.plates import drawn_views

    # A reader that goes on from an earlier one takes the next seed.
    taught = load_plate_config("reader").seed
    if args.seed <= taught:
        raise ValueError(f"The reader was taught plates of the seeds up to {taught}: choose another.")
    rows = []
    for layout in LAYOUTS:
        for number, (pixels, text) in enumerate(zip(*drawn_views(layout, args.count, args.seed), strict=True)):
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            image = {"bytes": buffer.getvalue(), "path": f"{layout.name}/{number:04d}.png"}
            rows.append(
                {"image": image, "split": "validation", "source": f"drawn_{layout.name}", "text": text, "prefix": ""}
            )
    args.output.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), args.output / "plate_crops.parquet")
    print(f"{args.output / 'plate_crops.parquet'}: {len(rows)} plates")
