"""One training loop for every phase: AdamW, warm-up and cosine, EMA, and a state on disk to go on from."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from tqdm import tqdm


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: `learning_rate` is the peak, reached after the `warm_up` share of all steps."""

    steps: int
    learning_rate: float
    weight_decay: float = 0.05
    warm_up: float = 0.1
    clip_norm: float = 1.0
    ema_decay: float = 0.9995

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then half a cosine down to a hundredth of the peak."""
        rising = max(1, round(self.steps * self.warm_up))
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        passed = (step - rising) / max(1, self.steps - rising)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * passed)))


class Losses(nn.Module):
    """What the loop trains: a module whose call on a batch gives named losses, already weighted, to be summed."""

    def forward(self, batch: Any) -> dict[str, Tensor]:
        """Raises nothing of its own; a loss that does not apply to the batch is left out."""
        raise NotImplementedError


def fit(
    losses: Losses,
    batch_at: Callable[[int], Any],
    schedule: Schedule,
    folder: Path,
    *,
    save_every_s: float = 120.0,
    log_every: int = 20,
) -> nn.Module:
    """Train `losses` for the schedule's steps and return its EMA copy.

    `batch_at(step)` must depend on the step alone, so that a run killed at any moment goes on from `folder/state.pt`
    with the batches that it would have seen. `folder/log.jsonl` gets a line every `log_every` steps.

    Raises:
        FloatingPointError: a loss is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state_file, log_file = folder / "state.pt", folder / "log.jsonl"
    optimizer = torch.optim.AdamW(_parameter_groups(losses, schedule.weight_decay), lr=schedule.learning_rate)
    ema = ModelEmaV3(losses, decay=schedule.ema_decay, use_warmup=True)
    first = 0
    if state_file.exists():
        state = torch.load(state_file, map_location="cpu", weights_only=True)
        losses.load_state_dict(state["model"])
        ema.module.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    losses.train()
    saved, means, since = time.monotonic(), dict[str, float](), 0
    with tqdm(range(first, schedule.steps), initial=first, total=schedule.steps, unit="step", mininterval=10) as steps:
        for step in steps:
            rate = schedule.rate_at(step)
            for group in optimizer.param_groups:
                group["lr"] = rate
            parts = losses(batch_at(step))
            total = torch.stack(list(parts.values())).sum()
            if not torch.isfinite(total):
                raise FloatingPointError(
                    f"The loss is not finite at step {step}: { {k: float(v) for k, v in parts.items()} }"
                )
            optimizer.zero_grad(set_to_none=True)
            total.backward()
            nn.utils.clip_grad_norm_(losses.parameters(), schedule.clip_norm)
            optimizer.step()
            ema.update(losses, step=step)
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
    return ema.module


def save_atomically(value: Any, path: Path) -> None:
    """`torch.save` that leaves either the old file or the whole new one."""
    unfinished = path.with_suffix(".part")
    torch.save(value, unfinished)
    os.replace(unfinished, path)


def _parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Biases, normalisation scales and lone vectors are not decayed."""
    trained = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
