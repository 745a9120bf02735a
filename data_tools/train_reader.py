"""Train the plate reader and put it beside a checkpoint's graph; goes on where it stopped."""

from __future__ import annotations

import argparse
from pathlib import Path

from data_tools.train import DEFAULT_DATA, add_data_argument

READER = "reader.onnx"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools train-reader`."""
    parser.add_argument("--config", default="reader", help="a shipped config's name or a TOML file")
    add_data_argument(parser)
    parser.add_argument("--run", type=Path, required=True, help="folder for state and log")
    parser.add_argument("--cache", type=Path, required=True, help="folder for drawn plates (about 0.5 GB)")
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/vehicledino-nano"), help="where it goes")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads; all by default")


def run(args: argparse.Namespace) -> None:
    """Leave `reader.onnx`, `reader.safetensors` (half precision) and the log in the checkpoint, named in its JSON.

    Raises:
        FileNotFoundError: there are no plates to learn from, or no such checkpoint.
    """
    import json
    import shutil

    import torch
    from safetensors.torch import load, save_model

    from data_tools.export import write_onnx
    from data_tools.training.config import load_reader_config
    from data_tools.training.loop import fit, make_accelerator
    from data_tools.training.plates import PlateCloseUps
    from data_tools.training.reader import ReaderLosses
    from data_tools.training.start import read_from_git, start_from
    from vehicle_demo.models.plate_reader import READER_SIZE, PlateReader

    description = args.checkpoint / "checkpoint.json"
    if not description.exists():
        raise FileNotFoundError(f"There is no {description}: export the checkpoint that the reader belongs to first.")
    config = load_reader_config(args.config)
    if args.threads:
        torch.set_num_threads(args.threads)
    plates = PlateCloseUps(args.data or DEFAULT_DATA, args.cache, config.seed, config.drawn)
    torch.manual_seed(config.seed)
    reader = PlateReader()
    if config.start is not None:
        start_from(reader, load(read_from_git(config.start)))
    learner = ReaderLosses(reader).to(memory_format=torch.channels_last)
    accelerator = make_accelerator(cpu=True)  # a network this small gains nothing from a GPU
    losses = fit(learner, lambda step: plates.batch_at(step, config.batch), config.schedule, args.run, accelerator)
    if (args.run / "log.jsonl").exists():
        shutil.copy(args.run / "log.jsonl", args.checkpoint / "reader_training.jsonl")
    assert isinstance(losses, ReaderLosses)
    reader = losses.reader
    save_model(reader.half(), str(args.checkpoint / "reader.safetensors"))
    graph = args.checkpoint / READER
    write_onnx(reader.float(), torch.zeros(2, *READER_SIZE, 3, dtype=torch.uint8), "plates", graph)
    values = json.loads(description.read_text()) | {"reader": READER}
    description.write_text(json.dumps(values, indent=1) + "\n")
    print(f"{graph}: {graph.stat().st_size / 1e6:.2f} MB")
