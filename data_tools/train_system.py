"""Train Veri-Car, CLIP-SENet or CLVR from a config; goes on where it stopped."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from data_tools.train import DEFAULT_DATA, accelerator_for, add_run_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools train-system`."""
    parser.add_argument("--config", required=True, help="a shipped config's name (vericar-small) or a TOML file")
    parser.add_argument(
        "--backbones", type=Path, default=Path("runs/backbones"), help="folder of the runs of train-backbone, by name"
    )
    add_run_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Train all phases and leave `weights.safetensors` and `run.json` in the run's folder, for `export`."""
    from dataclasses import asdict
    from typing import Any

    import torch
    from safetensors.torch import save_model

    from data_tools.training.loop import fit
    from data_tools.training.system_config import load_system_config
    from data_tools.training.system_data import SystemData
    from data_tools.training.system_losses import losses_of
    from vehicle_demo.models.files import RUN_FILE, WEIGHTS_FILE
    from vehicle_demo.models.settings import settings_from
    from vehicle_demo.models.systems import SYSTEMS, build_system

    config = load_system_config(args.config)
    accelerator = accelerator_for(args)
    with accelerator.main_process_first():  # which fills the cache for all
        data = SystemData(
            args.data or DEFAULT_DATA, args.cache, config.data, config.levels, config.withheld, config.seed
        )
    torch.manual_seed(config.seed)
    network = build_system(config.system, config.started(args.backbones), config.pretrained)
    size = network.config.image_size
    accelerator.print(
        f"{config.system}: {len(data.taught)} pictures of {len(data.classes)} classes, {size} px, "
        f"{sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters",
        flush=True,
    )
    labels = {
        f"{task}s": sorted({getattr(p, task) for p in data.taught} - {None}) for task in ("type", "make", "model")
    }
    if accelerator.is_main_process:
        args.run.mkdir(parents=True, exist_ok=True)
        # Where the backbones' weights lay is nobody's business afterwards.
        model = asdict(settings_from(SYSTEMS[config.system].config, config.settings()))
        about = {"system": config.system, "config": asdict(config), "model": model, "labels": labels}
        (args.run / RUN_FILE).write_text(json.dumps(about, indent=1))
    losses: Any = losses_of(config.system, network, len(data.classes)).to(memory_format=torch.channels_last)
    for phase in config.phases:
        torch.manual_seed(config.seed)
        for name, parameter in losses.network.named_parameters():
            parameter.requires_grad_(not name.startswith(phase.frozen))
        schedule = phase.schedule_for(len(data.taught), config.batch)
        trained = fit(
            losses, lambda step: data.batch_at(step, config.classes, config.views, size), schedule,
            args.run / phase.name, accelerator,
        )  # fmt: skip
        losses.load_state_dict(trained.state_dict())
    if accelerator.is_main_process:
        save_model(losses.network, str(args.run / WEIGHTS_FILE))
        print(f"Weights in {args.run / WEIGHTS_FILE}; next: python -m data_tools export --run {args.run}")
