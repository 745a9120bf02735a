"""The trainer: what it makes of labels, that it learns, and that it goes on where it was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from data_tools.__main__ import main
from data_tools.export import load_run
from data_tools.readers import parquet
from data_tools.training.augment import mix
from data_tools.training.config import load_config
from data_tools.training.data import Mixture, TrainingData, _boxes_in
from data_tools.training.joint import JointLosses
from data_tools.training.labels import plate_slots
from data_tools.training.loop import Losses, Schedule, fit, make_accelerator, parameter_groups
from data_tools.training.start import read_from_git, start_from
from data_tools.training.teacher import FEATURE_SIZE, FeatureTeacher, StandardisedTeacher
from tests.data_tools import published
from tests.data_tools.files import (
    write_cars,
    write_drawn,
    write_plate_photos,
    write_plates,
    write_rear_views,
    write_scenes,
)
from vehicle_demo.models.vehicledino import PRESETS, VehicleDINO

CPU = make_accelerator(cpu=True)
MIXTURE = Mixture(scenes=4, mosaics=1, vehicles=4, rear_views=2, plates=2)


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    write_scenes(tmp_path, 8)
    write_cars(tmp_path, 9)
    write_rear_views(tmp_path, 3)
    write_plates(tmp_path, ["AB123", "4-7-C"])
    return TrainingData([tmp_path], tmp_path / "cache", seed=0)


def test_readers_give_what_the_publisher_labels(data: TrainingData, tmp_path: Path) -> None:
    (scene, *_) = parquet.read(tmp_path, "detection")
    assert scene.labelled_kinds == {"vehicle"} and scene.boxes[0].label == "car" and scene.make is None
    (car, *_) = parquet.read(tmp_path, "cars196")
    assert (car.model, car.make, car.type) == ("Aria Sedan", "Aria", "sedan")
    assert list(parquet.read(tmp_path / "nowhere", "cars196")) == []


def test_a_batch_is_the_same_whenever_it_is_asked_for(data: TrainingData) -> None:
    data.batch_at(1, MIXTURE, [64])
    first, again, other = (data.batch_at(step, MIXTURE, [64]) for step in (5, 5, 6))
    assert first.images.shape == (12, 3, 64, 64) and first.scenes == 4 == len(first.targets)
    torch.testing.assert_close(first.images, again.images)
    assert not torch.equal(first.images, other.images)
    known = (first.labels["model"] >= 0).nonzero().flatten().tolist()
    assert known == [4, 5, 6, 7]  # names are known of the cars alone
    assert (first.labels["plate"][10:] >= 0).any(dim=1).all() and (first.labels["plate"][:10] == -1).all()


def test_mixed_pictures_have_two_names_and_no_identity(data: TrainingData) -> None:
    mixture = replace(MIXTURE, vehicles=8, mixed=4)
    plain, mixed = (data.batch_at(5, one, [64]) for one in (replace(mixture, mixed=0), mixture))
    assert torch.equal(plain.labels["model"], mixed.labels["model"])
    own, other = mixed.labels["own"], mixed.labels["other"]
    alone = torch.cat([torch.arange(8), torch.arange(12, 16)])
    assert (own[alone] == 1).all() and torch.equal(other[alone], alone)
    assert ((own[8:12] >= 0) & (own[8:12] < 1)).any() and sorted(other[8:12].tolist()) == [8, 9, 10, 11]
    assert not mixed.labels["teacher"][8:12].any()


def test_mixing_shows_as_much_of_each_picture_as_it_says() -> None:
    black_and_white = torch.stack([torch.zeros(3, 40, 40), torch.ones(3, 40, 40)]).repeat(8, 1, 1, 1)
    mixed, other, own = mix(black_and_white, np.random.default_rng(0))
    colour = np.tile([0.0, 1.0], 8)
    np.testing.assert_allclose(mixed.mean(dim=(1, 2, 3)), own * colour + (1 - own) * colour[other], atol=1e-5)
    by_patch = [len(np.unique(picture)) == 2 for picture in mixed.numpy().round(4)]
    assert 0 < sum(by_patch) < 16  # some have a patch of the other, some are blended all over


@pytest.mark.parametrize("second", ["", "mobilenetv4_conv_small"])
def test_vehicles_alone_teach_a_backbone_and_heads_only(data: TrainingData, second: str) -> None:
    """What finds vehicles and plates stays as it is where attributes have a backbone of their own."""
    batch = data.batch_at(0, Mixture(scenes=0, mosaics=0, vehicles=4, rear_views=2, plates=0), [64])
    config = replace(PRESETS["nano"], types=6, makes=2, models=3, attribute_backbone=second)
    losses = JointLosses(VehicleDINO(config), data.kinds)
    parts = losses(batch)
    assert set(parts) == {"type", "make", "model", "reid", "identity"}
    torch.stack(list(parts.values())).sum().backward()
    taught = {name.split(".")[1] for name, value in losses.named_parameters() if value.grad is not None}
    assert taught == {"attribute_backbone" if second else "backbone", "attributes"}


def test_a_pretrained_backbone_learns_slower_towards_its_first_block(data: TrainingData) -> None:
    small = replace(PRESETS["nano"], backbone="vit_tiny_patch16_224", attribute_backbone="", image_size=64, lora_rank=2)
    losses = JointLosses(VehicleDINO(small), data.kinds)
    groups = parameter_groups(losses, Schedule(steps=1, learning_rate=1e-3, layer_decay=0.5))
    shares = {id(parameter): group["lr_scale"] for group in groups for parameter in group["params"]}
    trained = {name: shares[id(value)] for name, value in losses.named_parameters() if value.requires_grad}
    assert len(trained) == len(shares) == sum(len(group["params"]) for group in groups)
    in_block = {
        number: {share for name, share in trained.items() if f"backbone.blocks.{number}." in name} for number in (0, 11)
    }
    assert {len(found) for found in in_block.values()} == {1}
    assert in_block[0].pop() == pytest.approx(in_block[11].pop() * 0.5**11)
    assert {share for name, share in trained.items() if "backbone" not in name} == {1.0}
    decayed = {id(parameter) for group in groups if group["weight_decay"] for parameter in group["params"]}
    assert all(value.ndim > 1 for value in losses.parameters() if id(value) in decayed)


def test_a_mixture_cannot_mix_more_than_it_has() -> None:
    with pytest.raises(ValueError, match="`mixed` counts some of the vehicles"):
        Mixture(scenes=0, mosaics=0, vehicles=2, rear_views=0, plates=0, mixed=3)


def test_a_folder_of_parquet_files_gives_the_batches_it_always_gave(tmp_path: Path) -> None:
    """A run that is gone on with sees the pictures and the cache of before, whatever else can be read by now."""
    write_scenes(tmp_path, 8)
    write_cars(tmp_path, 9)
    write_rear_views(tmp_path, 3)
    write_plates(tmp_path, ["AB123", "4-7-C"])
    write_plate_photos(tmp_path, [("world", [0.5, 0.6, 0.2, 0.1], "")] * 3, split="train")
    batch = TrainingData([tmp_path], tmp_path / "cache", seed=0).batch_at(5, MIXTURE, [64])
    names = {"plates-d29199ec8fb9", "rear-views-21ddcf6fe33c", "scenes-18f4dec79fd2", "vehicles-025dd5331ea8"}
    assert names < {path.stem for path in (tmp_path / "cache").iterdir()}
    means = [0.3105, 0.944, 0.2331, 0.0648, -0.5472, -0.2803, 0.3324, -0.2892, -0.9675, -1.201, 2.2086, 2.183]
    np.testing.assert_allclose(batch.images.mean(dim=(1, 2, 3)), means, atol=0.02)
    assert [target["class_labels"].tolist() for target in batch.targets] == [[7], [7], [], [7, 7, 1, 7]]
    np.testing.assert_allclose(batch.targets[0]["boxes"], [[0.6127, 0.8404, 0.5061, 0.3192]], atol=1e-3)
    assert batch.labels["model"][4:8].tolist() == [2, 1, 2, 2] and batch.labels["type"][4:8].tolist() == [3, 5, 3, 3]
    assert batch.labels["plate"][11].tolist() == [4, -1, 7, -1, 12, 36, 36, 36]


def test_rendered_frames_join_the_scenes_of_their_own_split(tmp_path: Path) -> None:
    write_cars(tmp_path, 9)
    write_drawn(tmp_path / "fleet", frames=2)
    write_drawn(tmp_path / "kept aside", frames=1, split="validation")
    data = TrainingData([tmp_path, tmp_path / "fleet", tmp_path / "kept aside"], tmp_path / "cache", seed=0)
    assert [picture.path for picture in data.scenes.pictures] == ["00000-00.jpg", "00000-01.jpg"]
    for frame in data.scenes.pictures:
        assert [box.label for box in frame.boxes] == ["van"] * 4 + ["plate"]
        assert frame.labelled_kinds == {"vehicle", "plate"}


def test_published_data_sets_join_the_parquet_files(tmp_path: Path) -> None:
    ours, veri, compcars, ccpd = (tmp_path / name for name in ("ours", "veri", "compcars", "ccpd"))
    ours.mkdir()
    write_scenes(ours, 8)
    published.write_veri(veri)
    published.write_compcars(compcars)
    published.write_ccpd(ccpd)
    data = TrainingData([ours, veri, compcars, ccpd], tmp_path / "cache", seed=0)
    assert data.possible(MIXTURE) == MIXTURE
    assert {picture.source for picture in data.scenes.pictures} == {"highway", "ccpd"}
    assert data.labels.makes == ("Audi", "BMW") and "wagon" in data.labels.types  # wagons are seen from behind alone
    batch = data.batch_at(0, MIXTURE, [64])
    assert (batch.labels["make"][4:8] >= 0).all() and (batch.labels["make"][8:] == -1).all()
    assert (batch.labels["plate"][10:] >= 0).all() and (batch.labels["plate"][:10] == -1).all()
    # A photo of CCPD has its plate boxed and its vehicle not: where no vehicle is boxed, none can be ruled out.
    batches = (data.batch_at(step, MIXTURE, [64]) for step in range(8))
    plates = [target for batch in batches for target in batch.targets if target["labelled"][6]]
    assert plates and not any(target["labelled"][:6].any() for target in plates)
    # The close-up of a car is its box, which is all red.
    red, green, blue = data.vehicles.pixels([0]).mean(dim=(0, 2, 3)).tolist()
    assert red > 0.8 and green < 0.15 and blue < 0.15


def test_pairs_are_two_views_of_one_vehicle_by_two_cameras(tmp_path: Path) -> None:
    published.write_veri(tmp_path / "veri")
    published.write_compcars(tmp_path / "compcars")
    data = TrainingData([tmp_path / "veri", tmp_path / "compcars"], tmp_path / "cache", seed=0)
    batch = data.batch_at(0, Mixture(scenes=0, mosaics=0, vehicles=2, rear_views=3, plates=0, pairs=4), [64])
    assert batch.images.shape == (2 + 3 + 8, 3, 64, 64)
    vehicles = batch.labels["vehicle"]
    assert torch.equal(vehicles[:2], batch.labels["model"][:2]) and (vehicles[2:5] == -1).all()
    assert (vehicles[5:] >= len(data.labels.models)).all() and torch.equal(vehicles[5::2], vehicles[6::2])
    rows, _ = data.pairs.drawn(np.random.default_rng(0), 20)
    views = [(data.rear_views.pictures[row].vehicle_id, data.rear_views.pictures[row].camera_id) for row in rows]
    assert all(a[0] == b[0] and a[1] != b[1] for a, b in zip(views[::2], views[1::2], strict=True))
    torch.manual_seed(0)
    small = replace(PRESETS["nano"], image_size=64, width=32, feed_forward=64, queries=30, decoder_layers=1)
    model = VehicleDINO(replace(small, types=len(data.labels.types), makes=2, models=2))
    losses = JointLosses(model, data.kinds)
    start = losses(batch)["identity"].item()
    fit(losses, lambda step: batch, Schedule(steps=15, learning_rate=2e-3, warm_up=0.1), tmp_path / "run", CPU)
    assert losses(batch)["identity"].item() < 0.8 * start


def test_the_drawn_fleet_teaches_names_and_identities_of_its_own(tmp_path: Path) -> None:
    write_cars(tmp_path, 6)
    write_drawn(tmp_path, frames=3)
    data = TrainingData([tmp_path], tmp_path / "cache", seed=0)
    assert data.labels.makes == ("Aria", "Boreal", "Zephyr") and data.labels.models[-1] == "Zephyr Puff Van 2015"
    assert data.labels.drawn == ("Zephyr", "Zephyr Puff Van 2015")
    mixture = Mixture(scenes=2, mosaics=0, vehicles=2, rear_views=0, plates=0, pairs=4, drawn_pairs=2)
    batch = data.batch_at(0, data.possible(mixture), [64])
    assert batch.images.shape == (2 + 2 + 4, 3, 64, 64) and batch.scenes == 2
    assert batch.labels["make"][4:].tolist() == [2] * 4 and batch.labels["model"][4:].tolist() == [3] * 4
    assert torch.equal(batch.labels["vehicle"][4::2], batch.labels["vehicle"][5::2])
    assert data.labels.colours == ("red",) and batch.labels["colour"].tolist() == [-1] * 4 + [0] * 4
    # What is too small or too hidden to be told is a box to find and no name to learn.
    assert len(data.drawn_pairs.array) == 6 and len(data.drawn_pairs) == 2
    assert all(len(picture.boxes) == 4 + 1 for picture in data.scenes.pictures)


def test_the_fleet_must_not_bear_real_names(tmp_path: Path) -> None:
    write_cars(tmp_path, 3)
    write_drawn(tmp_path, frames=1, make="Aria")
    with pytest.raises(ValueError, match="names of real vehicles: Aria"):
        TrainingData([tmp_path], tmp_path / "cache", seed=0)


def test_a_network_that_learns_more_names_keeps_what_it_knows_of_the_others() -> None:
    small = replace(PRESETS["nano"], image_size=64, width=32, feed_forward=64, queries=30, decoder_layers=1)
    few, more = (VehicleDINO(replace(small, models=count)).eval() for count in (3, 5))
    start_from(more, few.state_dict())
    pictures = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(more(pictures)["models"][..., :3], few(pictures)["models"])
    with pytest.raises(RuntimeError, match="another kind of network; differing: neck"):
        start_from(more, VehicleDINO(replace(small, width=64)).state_dict())


def test_an_attribute_backbone_starts_as_the_only_one_was(data: TrainingData) -> None:
    small = replace(PRESETS["nano"], image_size=64, width=32, feed_forward=64, queries=30, decoder_layers=1)
    alone = VehicleDINO(replace(small, attribute_backbone="")).eval()
    both = VehicleDINO(replace(small, attribute_channels=1280)).eval()
    start_from(both, alone.state_dict())
    pictures = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(both.summarise(pictures)[0], alone.summarise(pictures)[0])
        torch.testing.assert_close(both(pictures)["det_boxes"], alone(pictures)["det_boxes"])


def test_a_models_name_says_its_make_and_type(data: TrainingData) -> None:
    labels = data.labels
    for task, names in (("type", labels.types), ("make", labels.makes)):
        assert len(data.implied[task]) == len(labels.models)
        for picture in data.vehicles.pictures:
            number = data.implied[task][labels.models.index(picture.model or "")]
            assert names[number] == getattr(picture, task)


def test_what_the_data_lack_is_left_out_and_names_are_needed(tmp_path: Path) -> None:
    published.write_compcars(tmp_path / "compcars")
    published.write_veri(tmp_path / "veri")
    data = TrainingData([tmp_path / "compcars"], tmp_path / "cache", seed=0)
    left = data.possible(MIXTURE)
    assert left == Mixture(scenes=0, mosaics=0, vehicles=4, rear_views=0, plates=0)
    assert data.batch_at(0, left, [64]).images.shape == (4, 3, 64, 64)
    with pytest.raises(FileNotFoundError, match="no training pictures"):
        data.possible(Mixture(scenes=1, mosaics=0, vehicles=0, rear_views=1, plates=1))
    with pytest.raises(ValueError, match="name no makes and models"):
        TrainingData([tmp_path / "veri"], tmp_path / "cache", seed=0)


def test_one_data_set_is_not_trained_on_and_validated_with_at_once(tmp_path: Path) -> None:
    """Pictures that cars196.parquet validates with are in the training part of Stanford Cars."""
    write_cars(tmp_path, 3)
    published.write_stanford(tmp_path / "stanford")
    with pytest.raises(ValueError, match="give one of them"):
        TrainingData([tmp_path, tmp_path / "stanford"], tmp_path / "cache", seed=0)


def test_windows_move_clip_and_mirror_boxes() -> None:
    boxes = [("car", (0.5, 0.5, 0.2, 0.4)), ("bus", (0.05, 0.5, 0.1, 0.1))]
    found = dict(_boxes_in(boxes, np.array([0.25, 0.0, 0.75, 1.0]), mirrored=False))
    np.testing.assert_allclose(found["car"], [0.5, 0.5, 0.4, 0.4])
    assert "bus" not in found  # outside the window
    found = dict(_boxes_in(boxes, np.array([0.45, 0.0, 0.95, 1.0]), mirrored=True))
    np.testing.assert_allclose(found["car"], [1 - 0.15, 0.5, 0.3, 0.4], atol=1e-9)


def test_greyed_out_characters_stay_out_of_the_loss() -> None:
    assert plate_slots("4-7C") == [4, -1, 7, 12, 36, 36, 36, 36]
    assert plate_slots(None) == [-1] * 8


def test_all_tasks_learn_together(data: TrainingData, tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = replace(PRESETS["nano"], image_size=64, width=32, feed_forward=64, queries=30, denoising_queries=10)
    model = VehicleDINO(replace(small, decoder_layers=1, types=len(data.labels.types), makes=2, models=3))
    batch = data.batch_at(0, MIXTURE, [64])
    losses = JointLosses(model, data.kinds)
    schedule = Schedule(steps=50, learning_rate=3e-3, warm_up=0.1)
    start = {name: value.item() for name, value in losses(batch).items()}
    fit(losses, lambda step: batch, schedule, tmp_path / "run", CPU, log_every=10)
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
        return fit(_LineLosses(), _line_batch, schedule, folder, CPU, save_every_s=0)

    whole = train(tmp_path / "whole", dies_at=-1)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", dies_at=17)
    resumed = train(tmp_path / "broken", dies_at=-1)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict())


def test_the_command_trains_and_leaves_weights(tmp_path: Path) -> None:
    write_scenes(tmp_path, 4)
    write_cars(tmp_path, 6)
    write_rear_views(tmp_path, 2)
    write_plates(tmp_path, ["AB123"])
    config = tmp_path / "tiny.toml"
    config.write_text(
        'preset = "nano"\nseed = 0\n'
        '[[phases]]\nname = "close-ups"\nimage_sizes = [64]\nschedule = { steps = 1, learning_rate = 1e-3 }\n'
        "mixture = { scenes = 0, mosaics = 0, vehicles = 2, rear_views = 1, plates = 1 }\n"
        '[[phases]]\nname = "joint"\nimage_sizes = [128]\nschedule = { steps = 1, learning_rate = 1e-3 }\n'
        "mixture = { scenes = 2, mosaics = 1, vehicles = 1, rear_views = 1, plates = 1 }\n"
    )
    run = tmp_path / "run"
    published.write_veri(tmp_path / "veri")
    data = ["--data", str(tmp_path), "--data", str(tmp_path / "veri")]
    folders = [*data, "--cache", str(tmp_path / "cache"), "--run", str(run)]
    main(["train", "--config", str(config), *folders])
    model, labels = load_run(run)
    assert isinstance(model, VehicleDINO)
    assert labels["makes"] == ["Aria", "Boreal"] and model.config.models == 3
    assert all((run / phase / "state.pt").exists() for phase in ("close-ups", "joint"))
    assert json.loads((run / "run.json").read_text())["processes"] == 1


def test_two_processes_share_a_run_in_half_precision(tmp_path: Path) -> None:
    write_scenes(tmp_path, 4)
    write_cars(tmp_path, 6)
    config = tmp_path / "tiny.toml"
    config.write_text(
        'preset = "nano"\nseed = 0\n'
        '[[phases]]\nname = "joint"\nimage_sizes = [128]\nschedule = { steps = 2, learning_rate = 1e-3 }\n'
        "mixture = { scenes = 2, mosaics = 0, vehicles = 2, rear_views = 0, plates = 0 }\n"
    )
    launched = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--"]
    ours = ["data_tools", "train", "--config", str(config), "--cpu", "--threads", "1"]
    places = ["--data", str(tmp_path), "--cache", str(tmp_path / "cache"), "--run", str(tmp_path / "run")]
    ended = subprocess.run(
        [*launched, *ours, *places],
        # By the loopback: a machine need not know its own name.
        env={**os.environ, "ACCELERATE_MIXED_PRECISION": "bf16", "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "on 2 x cpu" in ended.stdout and ended.stdout.count("Weights in") == 1
    assert all(values.isfinite().all() for values in load_run(tmp_path / "run")[0].state_dict().values())
    assert json.loads((tmp_path / "run/run.json").read_text())["processes"] == 2


def test_a_start_that_git_does_not_know_is_said_so() -> None:
    with pytest.raises(FileNotFoundError, match="git does not find"):
        read_from_git("0000000:checkpoints/none.safetensors")


def test_the_teacher_answers_standardised_features() -> None:
    pytest.importorskip("ai_edge_litert", reason="needs data_tools/requirements-teachers.txt")
    path = Path("../shared/data", load_config("nano").feature_teacher or "")
    if not path.exists():
        pytest.skip(f"needs {path}")
    teacher = FeatureTeacher(path)
    pictures = torch.rand(6, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    standardised = StandardisedTeacher(teacher, pictures)(pictures)
    assert standardised.shape == (6, FEATURE_SIZE)
    torch.testing.assert_close(standardised.mean(dim=0), torch.zeros(FEATURE_SIZE), atol=1e-3, rtol=0)
    torch.testing.assert_close(teacher(pictures[:1]), teacher(pictures)[:1])


def test_configs_refuse_what_they_do_not_know(tmp_path: Path) -> None:
    assert load_config("nano").phases[0].schedule.steps > 0
    base = load_config("base")
    assert base.pretrained_backbone and PRESETS[base.preset].lora_rank
    only = (PRESETS[base.preset].image_size,)  # the ViT takes no other
    assert {phase.image_sizes for phase in base.phases} == {only}
    with pytest.raises(FileNotFoundError, match=r"Shipped ones: base, .*nano"):
        load_config("giant")
    path = tmp_path / "mine.toml"
    path.write_text('preset = "nano"\nseed = 0\nsteps = 3\n')
    with pytest.raises(ValueError, match="Unknown settings in TrainingConfig: steps"):
        load_config(str(path))
