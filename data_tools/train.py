"""Train a VehicleDINO from a config; goes on where it stopped."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accelerate import Accelerator

DEFAULT_DATA = [Path("../shared/data")]


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """`--data`, once for each folder; `DEFAULT_DATA` where it is not given."""
    parser.add_argument(
        "--data", type=Path, action="append", help="folder of parquet files or a published data set; may be repeated"
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """What every training of a whole network is told: data, folders and where it runs."""
    add_data_argument(parser)
    parser.add_argument("--run", type=Path, required=True, help="folder for state, log and final weights")
    parser.add_argument("--cache", type=Path, required=True, help="folder for decoded pictures (about 4 GB)")
    parser.add_argument("--cpu", action="store_true", help="stay on the CPU where there is a GPU")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads; all by default")


def accelerator_for(args: argparse.Namespace) -> Accelerator:
    """Where a run trains, by what `add_run_arguments` was told; sets the number of threads too."""
    import torch

    from data_tools.training.loop import make_accelerator

    if args.threads:
        torch.set_num_threads(args.threads)
    return make_accelerator(args.cpu)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools train`."""
    parser.add_argument("--config", default="nano", help="a shipped config's name or a TOML file")
    add_run_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Train all phases and leave `weights.safetensors` and `run.json` (config and label names) in the run's folder."""
    from dataclasses import asdict, replace
    from functools import partial

    import torch
    from safetensors.torch import load, save_model

    from data_tools.training.config import load_config
    from data_tools.training.data import TrainingData
    from data_tools.training.joint import JointLosses
    from data_tools.training.loop import fit
    from data_tools.training.start import read_from_git, start_from
    from vehicle_demo.models.files import RUN_FILE, WEIGHTS_FILE
    from vehicle_demo.models.vehicledino import PRESETS, VehicleDINO, describe_size

    config = load_config(args.config)
    accelerator = accelerator_for(args)
    folders = args.data or DEFAULT_DATA
    teacher = found(folders, config.feature_teacher) if config.feature_teacher else None
    with accelerator.main_process_first():  # which fills the cache for all
        data = TrainingData(folders, args.cache, config.seed, feature_teacher=teacher)
    labels = data.labels
    torch.manual_seed(config.seed)
    outputs = ("categories", "types", "makes", "models", "colours")
    sizes: dict[str, Any] = {name: len(getattr(labels, name)) for name in outputs}
    model = VehicleDINO(replace(PRESETS[config.preset], **sizes), pretrained=config.pretrained_backbone)
    if config.start is not None:
        start_from(model, load(read_from_git(config.start)))
    model.attributes.imply(data.implied["type"], data.implied["make"])
    accelerator.print(describe_size(model), f"on {accelerator.num_processes} x {accelerator.device.type}", flush=True)
    if accelerator.is_main_process:
        args.run.mkdir(parents=True, exist_ok=True)
        about = {"config": asdict(config), "processes": accelerator.num_processes}
        about |= {"model": model.config.to_dict(), "labels": asdict(labels)}
        (args.run / RUN_FILE).write_text(json.dumps(about, indent=1))
    losses = JointLosses(model, data.kinds).to(memory_format=torch.channels_last)
    for phase in config.phases:
        torch.manual_seed(config.seed)
        mixture = data.possible(phase.mixture)
        if mixture != phase.mixture:
            accelerator.print(f"Phase {phase.name} does without what the data lack: {mixture}", flush=True)
        batch_at = partial(data.batch_at, mixture=mixture, sizes=phase.image_sizes)
        trained = fit(losses, batch_at, phase.schedule, args.run / phase.name, accelerator)
        losses.load_state_dict(trained.state_dict())
    if accelerator.is_main_process:
        save_model(model, str(args.run / WEIGHTS_FILE))
        print(f"Weights in {args.run / WEIGHTS_FILE}; next: python -m data_tools export --run {args.run}")


def found(folders: list[Path], name: str) -> Path:
    """A file that a config names, in the first data folder that has it. Raises FileNotFoundError where none has."""
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"The config needs {name} in one of the data folders; none has it.")
