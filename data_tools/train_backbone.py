"""Teach a small backbone by a teacher's features; the small systems start from it. Goes on where it stopped."""

from __future__ import annotations

import argparse

from data_tools.train import DEFAULT_DATA, accelerator_for, add_run_arguments, found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools train-backbone`."""
    parser.add_argument("--config", required=True, help="a shipped config's name (resnet18-thin) or a TOML file")
    add_run_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Leave timm's own `weights.safetensors` in the run's folder."""
    import torch
    from safetensors.torch import save_model

    from data_tools.training.backbone import BackboneData, BackboneLosses, load_backbone_config
    from data_tools.training.loop import fit
    from vehicle_demo.models.files import WEIGHTS_FILE

    config = load_backbone_config(args.config)
    accelerator = accelerator_for(args)
    folders = args.data or DEFAULT_DATA
    with accelerator.main_process_first():  # which fills the cache for all
        data = BackboneData(folders, args.cache, config, found(folders, config.teacher))
    torch.manual_seed(config.seed)
    losses = BackboneLosses(config.trunk()).to(memory_format=torch.channels_last)
    accelerator.print(f"{config.backbone}: {len(data)} pictures, {config.views} views each", flush=True)
    trained = fit(losses, data.batch_at, config.schedule, args.run, accelerator)
    if accelerator.is_main_process:
        losses.load_state_dict(trained.state_dict())
        save_model(losses.trunk.model, str(args.run / WEIGHTS_FILE))
        print(f"Weights in {args.run / WEIGHTS_FILE}; configs of systems name the run's folder.")
