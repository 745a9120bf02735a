"""The trainer: what it makes of labels, that it learns, and that it goes on where it was killed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from data_tools.readers import parquet
from data_tools.training.config import load_config
from data_tools.training.data import Mixture, TrainingData, _boxes_in, _plate_slots
from data_tools.training.joint import JointLosses
from data_tools.training.loop import Losses, Schedule, fit
from tests.data_tools.files import write_cars, write_plates, write_rear_views, write_scenes
from vehicle_demo.models.vehicledino import PRESETS, VehicleDINO

MIXTURE = Mixture(scenes=4, mosaics=1, vehicles=4, rear_views=2, plates=2)


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    write_scenes(tmp_path, 8)
    write_cars(tmp_path, 9)
    write_rear_views(tmp_path, 3)
    write_plates(tmp_path, ["AB123", "4-7-C"])
    return TrainingData(tmp_path, tmp_path / "cache", seed=0)


def test_readers_give_what_the_publisher_labels(data: TrainingData, tmp_path: Path) -> None:
    (scene, *_) = parquet.read(tmp_path, "detection")
    assert scene.labelled_kinds == {"vehicle"} and scene.boxes[0].label == "car" and scene.make is None
    (car, *_) = parquet.read(tmp_path, "cars196")
    assert (car.model, car.make, car.type) == ("Aria Sedan", "Aria", "sedan")
    assert list(parquet.read(tmp_path / "nowhere", "cars196")) == []


def test_a_batch_is_the_same_whenever_it_is_asked_for(data: TrainingData) -> None:
    data.batch_at(1, MIXTURE, 64)
    first, again, other = (data.batch_at(step, MIXTURE, 64) for step in (5, 5, 6))
    assert first.images.shape == (12, 3, 64, 64) and first.scenes == 4 == len(first.targets)
    torch.testing.assert_close(first.images, again.images)
    assert not torch.equal(first.images, other.images)
    known = (first.labels["model"] >= 0).nonzero().flatten().tolist()
    assert known == [4, 5, 6, 7]  # names are known of the cars alone
    assert (first.labels["plate"][10:] >= 0).any(dim=1).all() and (first.labels["plate"][:10] == -1).all()


def test_windows_move_clip_and_mirror_boxes() -> None:
    boxes = [("car", (0.5, 0.5, 0.2, 0.4)), ("bus", (0.05, 0.5, 0.1, 0.1))]
    found = dict(_boxes_in(boxes, np.array([0.25, 0.0, 0.75, 1.0]), mirrored=False))
    np.testing.assert_allclose(found["car"], [0.5, 0.5, 0.4, 0.4])
    assert "bus" not in found  # outside the window
    found = dict(_boxes_in(boxes, np.array([0.45, 0.0, 0.95, 1.0]), mirrored=True))
    np.testing.assert_allclose(found["car"], [1 - 0.15, 0.5, 0.3, 0.4], atol=1e-9)


def test_greyed_out_characters_stay_out_of_the_loss() -> None:
    assert _plate_slots("4-7C") == [4, -1, 7, 12, 36, 36, 36, 36]
    assert _plate_slots(None) == [-1] * 8


def test_all_tasks_learn_together(data: TrainingData, tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = replace(PRESETS["nano"], image_size=64, width=32, feed_forward=64, queries=30, denoising_queries=10)
    model = VehicleDINO(replace(small, decoder_layers=1, types=len(data.labels.types), makes=2, models=3))
    batch = data.batch_at(0, MIXTURE, 64)
    losses = JointLosses(model, data.kinds)
    schedule = Schedule(steps=50, learning_rate=3e-3, warm_up=0.1)
    start = {name: value.item() for name, value in losses(batch).items()}
    fit(losses, lambda step: batch, schedule, tmp_path / "run", log_every=10)
    losses.eval()
    with torch.no_grad():
        end = {name: value.item() for name, value in losses.train()(batch).items()}
    assert sum(end.values()) < 0.6 * sum(start.values())
    assert end["model"] < 0.7 * start["model"] and end["bbox"] < 0.7 * start["bbox"]
    untouched = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert untouched == []


@dataclass(frozen=True)
class _Line:
    x: Tensor
    y: Tensor


class _LineLosses(Losses):
    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(1, 1)

    def forward(self, batch: _Line) -> dict[str, Tensor]:
        return {"square": (self.line(batch.x) - batch.y).square().mean()}


def _line_batch(step: int) -> _Line:
    if step == _line_batch.dies_at:  # type: ignore[attr-defined]
        raise KeyboardInterrupt
    x = torch.rand(8, 1, generator=torch.Generator().manual_seed(step))
    return _Line(x, 3 * x + 1)


def test_a_killed_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    schedule = Schedule(steps=30, learning_rate=0.05)

    def train(folder: Path, dies_at: int) -> nn.Module:
        _line_batch.dies_at = dies_at  # type: ignore[attr-defined]
        torch.manual_seed(0)
        return fit(_LineLosses(), _line_batch, schedule, folder, save_every_s=0)

    whole = train(tmp_path / "whole", dies_at=-1)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", dies_at=17)
    resumed = train(tmp_path / "broken", dies_at=-1)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict())


def test_configs_refuse_what_they_do_not_know(tmp_path: Path) -> None:
    assert load_config("nano").phases[0].schedule.steps > 0
    with pytest.raises(FileNotFoundError, match="Shipped ones: nano"):
        load_config("giant")
    path = tmp_path / "mine.toml"
    path.write_text('preset = "nano"\nseed = 0\nsteps = 3\n')
    with pytest.raises(ValueError, match="Unknown training settings in TrainingConfig: steps"):
        load_config(str(path))
