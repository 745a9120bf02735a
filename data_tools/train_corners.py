"""Train the finder of plates' corners and put it beside a checkpoint's graph."""

from __future__ import annotations

import argparse

from data_tools import beside


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools train-corners`."""
    beside.add_arguments(parser, config="corners")


def run(args: argparse.Namespace) -> None:
    """Leave `corners.onnx` and what belongs to it in the checkpoint; raises as `beside.train_beside` does."""
    from data_tools.training.corners import CornerLosses, PlateWindows
    from vehicle_demo.models.plate_corners import WINDOW_SIZE, PlateCorners

    beside.train_beside(args, "corners", PlateCorners, CornerLosses, PlateWindows, ("windows", WINDOW_SIZE))
