"""Training of the corner finder: what it sees and is told, and that the command leaves one that the recogniser uses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from data_tools.__main__ import main
from data_tools.training.corners import CornerLosses, PlateWindows
from tests.data_tools.files import write_plate_photos
from tests.graphs import write_checkpoint
from vehicle_demo.models.plate_corners import PlateCorners
from vehicle_demo.recognition import Recognizer

BOX = [0.5, 0.6, 0.4, 0.15]


@pytest.fixture
def data(tmp_path: Path) -> PlateWindows:
    """Photos in which a white block is the plate; nothing else in them is as light."""
    write_plate_photos(tmp_path, [("tun_photos", BOX, ""), ("world", BOX, "")], split="train")
    return PlateWindows([tmp_path], tmp_path / "cache", seed=0, drawn=4)


def test_a_photos_plate_lies_in_the_box_that_is_told(data: PlateWindows) -> None:
    pixels, corners, trust = data.batch_at(1, 48)
    assert pixels.shape == (48, 3, 64, 128) and corners.shape == (48, 4, 2)
    assert {round(float(value), 1) for value in trust} == {0.0, 0.4, 1.0}  # drawn, of `world`, of others
    inside_is_lighter = []
    for window, (x1, y1, x2, y2) in zip(pixels[trust > 0], _boxes(corners[trust > 0]), strict=True):
        inside = window[:, y1:y2, x1:x2].mean()
        outside = (window.sum() - window[:, y1:y2, x1:x2].sum()) / (window.numel() - 3 * (y2 - y1) * (x2 - x1))
        inside_is_lighter.append(bool(inside > outside))
    assert np.mean(inside_is_lighter) > 0.9


def test_drawn_plates_lie_at_an_angle_and_batches_repeat(data: PlateWindows) -> None:
    pixels, corners, trust = data.batch_at(3, 32)
    drawn = corners[trust == 0]
    assert (drawn[:, 0, 1] - drawn[:, 1, 1]).abs().max() > 0.05
    assert torch.equal(pixels, data.batch_at(3, 32)[0]) and not torch.equal(pixels, data.batch_at(4, 32)[0])


def test_an_upright_label_asks_only_for_the_box_around_the_corners() -> None:
    torch.manual_seed(0)
    losses = CornerLosses(PlateCorners().eval())
    pixels = torch.rand(1, 3, 64, 128) * 2 - 1
    box = torch.tensor([[[-0.5, -0.4], [0.5, -0.4], [0.5, 0.4], [-0.5, 0.4]]])
    tilted = torch.tensor([[[-0.5, -0.4], [0.5, -0.2], [0.4, 0.4], [-0.4, 0.2]]])  # the same box around it
    labelled, drawn = torch.ones(1), torch.zeros(1)
    assert losses((pixels, box, labelled))["box"] == losses((pixels, tilted, labelled))["box"] > 0
    assert losses((pixels, box, labelled))["corners"] == 0 == losses((pixels, box, drawn))["box"]
    assert losses((pixels, box, drawn))["corners"] != losses((pixels, tilted, drawn))["corners"]


def test_the_command_leaves_a_finder_that_the_checkpoint_names(tmp_path: Path) -> None:
    write_plate_photos(tmp_path, [("tun_photos", BOX, "")], split="train")
    folder = write_checkpoint(tmp_path / "own")
    places = ["--data", str(tmp_path), "--run", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")]
    config = tmp_path / "short.toml"
    config.write_text("seed = 1\nbatch = 8\ndrawn = 4\nschedule = { steps = 2, learning_rate = 1e-3 }\n")
    main(["train-corners", *places, "--checkpoint", str(folder), "--config", str(config)])
    own = Recognizer.from_checkpoint(folder)
    assert own.checkpoint.corners == "corners.onnx" and (folder / "corners.safetensors").exists()
    write_plate_photos(tmp_path, [("tun_photos", BOX, "")], split="validation")
    with pytest.raises(SystemExit, match="no training photos of plates"):
        main(["train-corners", *places, "--checkpoint", str(folder), "--config", str(config)])


def _boxes(corners: torch.Tensor) -> list[list[int]]:
    """(N, 4, 2) from -1 to 1 -> pixels of the box around them in the window, at least a pixel wide and high."""
    places = ((corners + 1) / 2 * torch.tensor([128, 64])).round().int()
    low, high = places.amin(dim=1).clamp(min=0), places.amax(dim=1)
    return torch.cat([low, torch.maximum(high, low + 1)], dim=1).tolist()
