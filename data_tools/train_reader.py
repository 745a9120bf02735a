"""Train the plate reader and put it beside a checkpoint's graph."""

from __future__ import annotations

import argparse

from data_tools import beside


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools train-reader`."""
    beside.add_arguments(parser, config="reader")


def run(args: argparse.Namespace) -> None:
    """Leave `reader.onnx` and what belongs to it in the checkpoint; raises as `beside.train_beside` does."""
    from data_tools.training.plates import PlateCloseUps
    from data_tools.training.reader import ReaderLosses
    from vehicle_demo.models.plate_reader import READER_SIZE, PlateReader

    beside.train_beside(args, "reader", PlateReader, ReaderLosses, PlateCloseUps, ("plates", READER_SIZE))
