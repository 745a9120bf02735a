"""Train the plate reader and put it beside a checkpoint's graph; goes on where it stopped."""

from __future__ import annotations

import argparse
from pathlib import Path

from data_tools.train import DEFAULT_DATA, add_data_argument

_SEED, _BATCH, _RATE = 1, 64, 2e-3
READER = "reader.onnx"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools train-reader`."""
    add_data_argument(parser)
    parser.add_argument("--run", type=Path, required=True, help="folder for state and log")
    parser.add_argument("--cache", type=Path, required=True, help="folder for drawn plates (about 0.5 GB)")
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/vehicledino-nano"), help="where it goes")
    parser.add_argument("--drawn", type=int, default=12_000, help="plates to draw; another number gives other weights")
    parser.add_argument("--steps", type=int, default=3000, help="batches of 64; another number gives other weights")


def run(args: argparse.Namespace) -> None:
    """Leave `reader.onnx` and `reader.safetensors` (half precision) in the checkpoint, named in its `checkpoint.json`.

    Raises:
        FileNotFoundError: there are no plates to learn from, or no such checkpoint.
    """
    import json

    import torch
    from safetensors.torch import save_model

    from data_tools.export import write_onnx
    from data_tools.training.loop import Schedule, fit
    from data_tools.training.plates import PlateCloseUps
    from data_tools.training.reader import ReaderLosses
    from vehicle_demo.models.plate_reader import READER_SIZE, PlateReader

    description = args.checkpoint / "checkpoint.json"
    if not description.exists():
        raise FileNotFoundError(f"There is no {description}: export the checkpoint that the reader belongs to first.")
    plates = PlateCloseUps(args.data or DEFAULT_DATA, args.cache, _SEED, args.drawn)
    torch.manual_seed(_SEED)
    schedule = Schedule(args.steps, _RATE, warm_up=0.05, ema_decay=0.999)
    losses = fit(ReaderLosses(PlateReader()), lambda step: plates.batch_at(step, _BATCH), schedule, args.run)
    reader = losses.reader
    assert isinstance(reader, PlateReader)
    save_model(reader.half(), str(args.checkpoint / "reader.safetensors"))
    graph = args.checkpoint / READER
    write_onnx(reader.float(), torch.zeros(2, *READER_SIZE, 3, dtype=torch.uint8), "plates", graph)
    values = json.loads(description.read_text()) | {"reader": READER}
    description.write_text(json.dumps(values, indent=1) + "\n")
    print(f"{graph}: {graph.stat().st_size / 1e6:.2f} MB")
