"""Losses on batches small enough to work by hand."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import RTDetrConfig

from vehicle_demo.models.losses import DetectionLoss, TargetKinds, attribute_losses, identity_loss

CATEGORIES = ("car", "suv", "truck", "bus", "van", "motorcycle")
KINDS = TargetKinds(CATEGORIES)
ALL = torch.tensor([True] * 7 + [False] * 2)
NOTHING = torch.zeros(9, dtype=torch.bool)
BOX = torch.tensor([[0.5, 0.5, 0.4, 0.4]])


def vfl(logits: torch.Tensor, kind: str | None, labelled: torch.Tensor) -> torch.Tensor:
    """The class loss of one picture with one query that sits exactly on the target's box."""
    criterion = DetectionLoss(RTDetrConfig(num_labels=7), KINDS)  # type: ignore[call-arg]
    number = [] if kind is None else [KINDS.number(kind)]
    target = {
        "class_labels": torch.tensor(number, dtype=torch.int64),
        "boxes": BOX[: len(number)],
        "labelled": labelled,
    }
    rows = torch.zeros(len(number), dtype=torch.int64)
    outputs = {"logits": KINDS.extend(logits.view(1, 1, 7)), "pred_boxes": BOX.view(1, 1, 4)}
    return criterion.loss_labels_vfl(outputs, [target], [(rows, rows)], 1.0)["loss_vfl"]


def test_background_counts_only_where_everything_is_labelled() -> None:
    logits = torch.zeros(7)
    assert vfl(logits, None, NOTHING).item() == 0
    # Seven columns, each alpha * p^gamma * -log(1 - p) = 0.75 * 0.25 * log 2.
    assert vfl(logits, None, ALL).item() == pytest.approx(7 * 0.75 * 0.25 * math.log(2), rel=1e-5)


def test_a_box_of_unknown_kind_teaches_its_best_column_and_no_other() -> None:
    logits = torch.tensor([0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], requires_grad=True)
    vfl(logits, "vehicle", ALL).backward()
    assert logits.grad is not None
    assert logits.grad[0] < 0  # the best one goes up
    assert logits.grad[1:6].abs().max() == 0  # the other vehicles are left alone
    assert logits.grad[6] > 0  # it is no plate


def test_a_publishers_car_may_be_a_van_but_no_bus() -> None:
    logits = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0], requires_grad=True)
    vfl(logits, "car or alike", ALL).backward()
    assert logits.grad is not None
    assert logits.grad[4] < 0 and logits.grad[0] == logits.grad[1] == 0
    assert logits.grad[3] > 0


def test_a_known_kind_pushes_all_others_down() -> None:
    logits = torch.zeros(7, requires_grad=True)
    vfl(logits, "bus", NOTHING).backward()
    assert logits.grad is not None
    assert logits.grad[3] < 0 and (logits.grad[[0, 1, 2, 4, 5, 6]] > 0).all()


def described(count: int) -> dict[str, torch.Tensor]:
    return {
        "vehicle_types": torch.zeros(count, 4),
        "makes": torch.zeros(count, 5),
        "models": torch.zeros(count, 6),
        "colours": torch.zeros(count, 3),
        "reid_embeds": torch.nn.functional.normalize(torch.ones(count, 256), dim=1),
        "ocr_logits": torch.zeros(count, 8, 37),
    }


def test_each_task_counts_only_its_labelled_pictures() -> None:
    teacher = torch.zeros(3, 256)
    teacher[1] = -1 / 16
    labels = {
        "type": torch.tensor([1, -1, -1]),
        "make": torch.tensor([-1, -1, -1]),
        "model": torch.tensor([2, 3, -1]),
        "colour": torch.tensor([-1, -1, 2]),
        "teacher": teacher,
        "plate": torch.full((3, 8), -1),
        "other": torch.arange(3),
        "own": torch.ones(3),
    }
    labels["plate"][2, :2] = torch.tensor([5, 36])
    losses = {name: value.item() for name, value in attribute_losses(described(3), labels, smoothing=0).items()}
    assert losses["type"] == pytest.approx(math.log(4))
    assert losses["make"] == 0
    assert losses["model"] == pytest.approx(math.log(6))
    assert losses["colour"] == pytest.approx(math.log(3))
    assert losses["reid"] == pytest.approx(2, abs=1e-5)  # opposite to the teacher's
    assert losses["plate"] == pytest.approx(math.log(37), rel=1e-5)


def test_a_mixed_picture_is_asked_for_both_names_by_their_shares() -> None:
    answer = described(2)
    answer["models"] = torch.tensor([[4.0, 1, 0, 0, 0, 0], [0.0, 2, 3, 0, 0, 0]])
    unknown = torch.tensor([-1, -1])
    labels = {
        "type": unknown,
        "make": unknown,
        "model": torch.tensor([0, 2]),
        "colour": unknown,
        "teacher": torch.zeros(2, 256),
        "plate": torch.full((2, 8), -1),
        "other": torch.tensor([1, 1]),
        "own": torch.tensor([0.75, 1.0]),
    }
    first, second = answer["models"].log_softmax(dim=1)
    wanted = -(0.75 * first[0] + 0.25 * first[2] + second[2]) / 2
    losses = attribute_losses(answer, labels, smoothing=0)
    assert losses["model"].item() == pytest.approx(wanted.item(), rel=1e-5) and losses["type"] == 0


def test_views_of_one_vehicle_are_drawn_together() -> None:
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    vehicles = torch.tensor([4, 4, 7, -1])
    # Each of the two has the other at similarity 1 and the third at 0; the third and the unknown one ask for nothing.
    together = identity_loss(torch.stack([east, east, north, east]), vehicles, temperature=1.0)
    assert together.item() == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-5)
    apart = torch.stack([east, north, east, east]).requires_grad_()
    loss = identity_loss(apart, vehicles, temperature=1.0)
    assert loss.item() == pytest.approx((math.log(1 + math.e) + math.log(2)) / 2, rel=1e-5)
    loss.backward()
    assert apart.grad is not None and torch.isfinite(apart.grad).all() and apart.grad[3].eq(0).all()
    assert identity_loss(apart, torch.tensor([1, 2, 3, -1])).item() == 0
