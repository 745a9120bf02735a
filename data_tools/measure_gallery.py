"""Measure one of the app's galleries by a published protocol: the figures of the Benchmark tab."""

from __future__ import annotations

import argparse

from data_tools.index import add_app_arguments, opened


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools measure-gallery`."""
    parser.add_argument("--gallery", required=True, help="its name in the app")
    parser.add_argument("--protocol", required=True, help="such as cross-camera, vehicleid or open-set-identity")
    add_app_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Print every figure with its range, and the counts, on a line each.

    Raises:
        GalleryError: there is no such gallery or protocol, or the gallery lacks what the protocol needs.
        CheckpointError: the checkpoint cannot be loaded.
    """
    from tqdm import tqdm

    from vehicle_demo.gallery.measuring import lines, measure

    galleries, recognizer = opened(args)
    report = None
    with tqdm(unit=" steps", delay=1, leave=False) as bar:
        for step in measure(galleries.existing(recognizer, args.gallery), args.protocol):
            bar.total, report = step.total, step.report
            bar.update(step.done - bar.n)
    assert report is not None
    print(f"{'':40} value   {report.ranges}")
    for name, value, low, high in lines(report):
        print(f"{name:40} {value}" if low is None else f"{name:40} {value:.4f}  {low:.4f} to {high:.4f}")
