"""Train a VehicleDINO from a config; goes on where it stopped."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools train`."""
    parser.add_argument("--config", default="nano", help="a shipped config's name or a TOML file")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of parquet files")
    parser.add_argument("--run", type=Path, required=True, help="folder for state, log and final weights")
    parser.add_argument("--cache", type=Path, required=True, help="folder for decoded pictures (about 10 GB)")
    parser.add_argument("--device", default=None, help="cpu, cuda, ...; the best there is by default")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads; all by default")


def run(args: argparse.Namespace) -> None:
    """Train all phases and leave `weights.safetensors` and `run.json` (config and label names) in the run's folder."""
    from dataclasses import asdict, replace
    from functools import partial

    import torch
    from safetensors.torch import save_model

    from data_tools.training import views
    from data_tools.training.config import load_config
    from data_tools.training.data import TrainingData
    from data_tools.training.drawn import draw_training_scenes
    from data_tools.training.joint import JointLosses
    from data_tools.training.loop import fit
    from data_tools.training.pretrain import pretrain
    from vehicle_demo.models.vehicledino import PRESETS, VehicleDINO, describe_size

    config = load_config(args.config)
    if args.threads:
        torch.set_num_threads(args.threads)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    data = TrainingData(args.data, args.cache, config.seed)
    labels = data.labels
    torch.manual_seed(config.seed)
    sizes: dict[str, Any] = {name: len(getattr(labels, name)) for name in ("categories", "types", "makes", "models")}
    model = VehicleDINO(replace(PRESETS[config.preset], **sizes), pretrained=config.pretrain is None).to(device)
    print(describe_size(model), f"on {device}", flush=True)
    args.run.mkdir(parents=True, exist_ok=True)
    (args.run / "run.json").write_text(
        json.dumps({"config": asdict(config), "model": model.config.to_dict(), "labels": asdict(labels)}, indent=1)
    )
    if config.pretrain is not None:
        views.prepare(args.data, args.cache, config.seed)
        settings = config.pretrain
        folder = args.run / "pretrain"
        pretrain(model, args.data, args.cache, folder, settings.schedule, settings.batch_size, config.seed)
    for phase in config.phases:
        torch.manual_seed(config.seed)
        losses = JointLosses(model, data.kinds).to(memory_format=torch.channels_last)
        if phase.drawn_scenes:
            drawn = draw_training_scenes(args.cache, phase.drawn_scenes, config.seed)
            data = TrainingData(args.data, args.cache, config.seed, drawn)
        batch_at = partial(data.batch_at, mixture=phase.mixture, size=phase.image_size)
        averaged: Any = fit(losses, batch_at, phase.schedule, args.run / phase.name)
        model.load_state_dict(averaged.model.state_dict())
    save_model(model, str(args.run / "weights.safetensors"))
    print(f"Weights in {args.run / 'weights.safetensors'}; next: python -m data_tools export --run {args.run}")
