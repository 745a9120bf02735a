"""Render the drawn fleet with Blender: frames with labels, from one seed."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools render`."""
    parser.add_argument(
        "--preset", default="train", help="train (320 px, 12 views a set), photos (640 px), or sample (what ships)"
    )
    parser.add_argument("--sets", type=int, default=200, help="built places; each gives the preset's number of views")
    parser.add_argument("--first", type=int, default=0, help="number of the first set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; all by default")
    parser.add_argument("--output", type=Path, required=True, help="folder of frames, and drawn.parquet beside them")


def run(args: argparse.Namespace) -> None:
    """Render what is missing of the sets, then write `drawn.parquet`. Run again after an interruption, it goes on.

    Raises:
        ValueError: the preset is unknown, or Blender's Python module is not installed.
    """
    import time

    from data_tools.render.frames import PRESETS, render_set
    from data_tools.render.sample import write_sample
    from data_tools.render.table import write_table

    if args.preset not in (*PRESETS, "sample"):
        raise ValueError(f"--preset must be one of {', '.join(PRESETS)}, sample.")
    try:
        import bpy
    except ImportError as error:
        raise ValueError("Rendering needs Blender: pip install -r data_tools/render/requirements.txt") from error
    if args.threads:
        bpy.context.scene.render.threads_mode = "FIXED"
        bpy.context.scene.render.threads = args.threads
    if args.preset == "sample":
        write_sample(args.output, args.seed)
        return
    frames = args.output / "frames"
    began, made = time.monotonic(), 0
    for number in range(args.first, args.first + args.sets):
        made += render_set(args.seed, number, PRESETS[args.preset], frames)
        spent = time.monotonic() - began
        if made:
            print(f"set {number}: {made} frames in {spent / 60:.1f} min, {60 * made / spent:.1f} a minute", flush=True)
    rows = write_table(frames, args.output / "drawn.parquet")
    print(f"{args.output / 'drawn.parquet'}: {rows} frames")
