"""Train a small network that stands beside a checkpoint's graph; goes on where it stopped."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_tools.train import DEFAULT_DATA, add_data_argument

if TYPE_CHECKING:
    from torch import nn

    from data_tools.training.loop import Losses


def add_arguments(parser: argparse.ArgumentParser, config: str) -> None:
    """Arguments of the commands that train such a network; `config` is the shipped config's name."""
    parser.add_argument("--config", default=config, help="a shipped config's name or a TOML file")
    add_data_argument(parser)
    parser.add_argument("--run", type=Path, required=True, help="folder for state and log")
    parser.add_argument("--cache", type=Path, required=True, help="folder for drawn plates (about 0.5 GB)")
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/vehicledino-nano"), help="where it goes")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads; all by default")


def train_beside(
    args: argparse.Namespace,
    part: str,
    make_network: Callable[[], nn.Module],
    make_losses: Callable[[Any], Losses],
    make_data: Callable[..., Any],
    pixels: tuple[str, tuple[int, int]],
) -> None:
    """Leave `PART.onnx`, `PART.safetensors` (half precision) and the log in the checkpoint, named in its JSON.

    Args:
        args: those of `add_arguments`.
        part: `checkpoint.json`'s name for it.
        make_network: the network with random weights.
        make_losses: what it learns by.
        make_data: given folders, cache, seed and how many plates to draw, something with `batch_at(step, count)`.
        pixels: the graph's input, and its height and width.

    Raises:
        FileNotFoundError: there are no plates to learn from, or no such checkpoint.
    """
    import json
    import shutil

    import torch
    from safetensors.torch import load, save_model

    from data_tools.compact import compact
    from data_tools.training.config import load_plate_config
    from data_tools.training.loop import fit, make_accelerator
    from data_tools.training.start import read_from_git, start_from
    from vehicle_demo.models.onnx_graph import write_onnx

    description = args.checkpoint / "checkpoint.json"
    if not description.exists():
        raise FileNotFoundError(f"There is no {description}: export the checkpoint that this belongs to first.")
    config = load_plate_config(args.config)
    if args.threads:
        torch.set_num_threads(args.threads)
    data = make_data(args.data or DEFAULT_DATA, args.cache, config.seed, config.drawn)
    torch.manual_seed(config.seed)
    network = make_network()
    if config.start is not None:
        start_from(network, load(read_from_git(config.start)))
    learner = make_losses(network).to(memory_format=torch.channels_last)
    accelerator = make_accelerator(cpu=True)  # a network this small gains nothing from a GPU
    losses: Any = fit(learner, lambda step: data.batch_at(step, config.batch), config.schedule, args.run, accelerator)
    if (args.run / "log.jsonl").exists():
        shutil.copy(args.run / "log.jsonl", args.checkpoint / f"{part}_training.jsonl")
    network = losses.network
    save_model(network.half(), str(args.checkpoint / f"{part}.safetensors"))
    graph = args.checkpoint / f"{part}.onnx"
    name, size = pixels
    write_onnx(network.float(), torch.zeros(2, *size, 3, dtype=torch.uint8), name, graph)
    compact(graph)
    values = json.loads(description.read_text()) | {part: graph.name}
    description.write_text(json.dumps(values, indent=1) + "\n")
    print(f"{graph}: {graph.stat().st_size / 1e6:.2f} MB")
