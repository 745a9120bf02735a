"""One training loop for every phase: warm-up and cosine, or steps, EMA, and a state on disk to go on from.

How many processes share it, on what, and in which precision is what `accelerate launch` or `torchrun` says.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from timm.optim import param_groups_layer_decay
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from tqdm import tqdm

# Called with parameter groups that say their weight decay, and `lr`.
OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
}


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: `learning_rate` is the peak, reached after the `warm_up` share of all steps.

    Each block of the backbone learns `layer_decay` times as fast as the one after it, the last one as everything else
    (BEiT, arXiv 2106.08254): below 1 a pretrained backbone keeps what its first blocks know. With `milestones`, shares
    of all steps, the rate falls to a tenth at each of them, and not by a cosine. `optimizer` is one of `OPTIMIZERS`.
    """

    steps: int
    learning_rate: float
    weight_decay: float = 0.05
    warm_up: float = 0.1
    clip_norm: float = 1.0
    ema_decay: float = 0.9995
    layer_decay: float = 1.0
    optimizer: str = "adamw"
    milestones: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for an optimizer that is none of `OPTIMIZERS`."""
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"There is no optimizer {self.optimizer}. Choose one of: {', '.join(OPTIMIZERS)}.")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then half a cosine to a hundredth of the peak, or milestones."""
        rising = max(1, round(self.steps * self.warm_up))
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        if self.milestones:
            return float(self.learning_rate * 0.1 ** sum(step >= share * self.steps for share in self.milestones))
        passed = (step - rising) / max(1, self.steps - rising)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * passed)))


class Losses(nn.Module):
    """What the loop trains: a module whose call on a batch gives named losses, already weighted, to be summed."""

    def forward(self, batch: Any) -> dict[str, Tensor]:
        """Raises nothing of its own; a loss that does not apply to the batch is left out."""
        raise NotImplementedError

    def backbones(self) -> list[nn.Module]:
        """The timm models among what is trained: `Schedule.layer_decay` is for their blocks."""
        return []


def make_accelerator(cpu: bool = False) -> Accelerator:
    """What the launcher or accelerate's configuration asks for; one process without either."""
    # A batch without scenes leaves the detector out, and so its gradients.
    return Accelerator(cpu=cpu, kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])


def fit(
    losses: Losses,
    batch_at: Callable[[int], Any],
    schedule: Schedule,
    folder: Path,
    accelerator: Accelerator,
    *,
    save_every_s: float = 120.0,
    log_every: int = 20,
) -> nn.Module:
    """Train `losses` for the schedule's steps and return its EMA copy, on the accelerator's device.

    `batch_at(number)` must depend on the number alone, so that a run killed at any moment goes on from
    `folder/state.pt` with the batches that it would have seen. Of several processes each takes a batch of its own for
    every step; alone, batch and step have the same number. `folder/log.jsonl` gets a line every `log_every` steps, of
    the first process's batches.

    Raises:
        FloatingPointError: a loss is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    losses.to(accelerator.device)
    state_file, log_file = folder / "state.pt", folder / "log.jsonl"
    optimizer = OPTIMIZERS[schedule.optimizer](parameter_groups(losses, schedule), lr=schedule.learning_rate)
    ema = ModelEmaV3(losses, decay=schedule.ema_decay, use_warmup=True)
    first = 0
    if state_file.exists():
        state = torch.load(state_file, map_location="cpu", weights_only=True)
        losses.load_state_dict(state["model"])
        ema.module.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    shared, optimizer = accelerator.prepare(losses, optimizer)
    shared.train()
    saved, means, since = time.monotonic(), dict[str, float](), 0
    with tqdm(
        range(first, schedule.steps), initial=first, total=schedule.steps, unit="step", mininterval=10,
        disable=not accelerator.is_main_process,
    ) as steps:  # fmt: skip
        for step in steps:
            rate = schedule.rate_at(step)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["lr_scale"]
            parts = shared(batch_at(step * accelerator.num_processes + accelerator.process_index))
            total = torch.stack(list(parts.values())).sum()
            if not torch.isfinite(total):
                raise FloatingPointError(
                    f"The loss is not finite at step {step}: { {k: float(v) for k, v in parts.items()} }"
                )
            optimizer.zero_grad(set_to_none=True)
            accelerator.backward(total)
            accelerator.clip_grad_norm_(shared.parameters(), schedule.clip_norm)
            optimizer.step()
            ema.update(losses, step=step)
            if not accelerator.is_main_process:
                continue
            since += 1
            for name, value in parts.items():
                means[name] = means.get(name, 0.0) + value.item()
            if since == log_every:
                line = {"step": step + 1, "rate": rate, **{name: round(v / since, 4) for name, v in means.items()}}
                with log_file.open("a") as log:
                    log.write(json.dumps(line) + "\n")
                steps.set_postfix({name: f"{v / since:.3f}" for name, v in means.items()}, refresh=False)
                means, since = {}, 0
            if time.monotonic() - saved > save_every_s or step + 1 == schedule.steps:
                state = {"model": losses.state_dict(), "ema": ema.module.state_dict()}
                save_atomically({**state, "optimizer": optimizer.state_dict(), "step": step + 1}, state_file)
                saved = time.monotonic()
    accelerator.unwrap_model(shared, keep_fp32_wrapper=False)
    accelerator.free_memory()
    return ema.module


def save_atomically(value: Any, path: Path) -> None:
    """`torch.save` that leaves either the old file or the whole new one."""
    unfinished = path.with_suffix(".part")
    torch.save(value, unfinished)
    os.replace(unfinished, path)


def parameter_groups(losses: Losses, schedule: Schedule) -> list[dict[str, Any]]:
    """What is trained, grouped by weight decay (none for lone vectors: biases, scales) and by `lr_scale`."""
    groups: list[dict[str, Any]] = []
    for backbone in losses.backbones():
        groups += param_groups_layer_decay(backbone, schedule.weight_decay, layer_decay=schedule.layer_decay)
    taken = {id(parameter) for group in groups for parameter in group["params"]}
    others = [p for p in losses.parameters() if p.requires_grad and id(p) not in taken]
    return [
        *({name: group[name] for name in ("params", "weight_decay", "lr_scale")} for group in groups),
        {"params": [p for p in others if p.ndim > 1], "weight_decay": schedule.weight_decay, "lr_scale": 1.0},
        {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0, "lr_scale": 1.0},
    ]
