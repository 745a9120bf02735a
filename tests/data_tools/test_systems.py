"""The published systems trained: what they are shown, that each learns, and that their runs become checkpoints."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from data_tools.__main__ import main
from data_tools.export import load_run
from data_tools.known import withheld
from data_tools.training.config import CONFIG_FOLDER
from data_tools.training.loop import Schedule
from data_tools.training.system_config import load_system_config
from data_tools.training.system_data import SystemBatch, SystemData
from data_tools.training.system_losses import losses_of
from tests.data_tools.files import write_cars, write_rear_views
from tests.models.small_systems import SMALL
from vehicle_demo.models.systems import build_system
from vehicle_demo.recognition import Recognizer

NAMES = [f"Make{n // 2} Model{n} Sedan 2012" for n in range(20)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_cars(tmp_path, 9)
    write_rear_views(tmp_path, 3)
    return tmp_path


def test_the_same_fifth_is_withheld_whoever_asks() -> None:
    held = withheld(NAMES, 0.2)
    assert len(held) == 4 and held < set(NAMES) and withheld(reversed(NAMES * 2), 0.2) == held
    assert withheld(NAMES, 0.0) == frozenset()


def test_batches_have_views_of_classes_and_repeat_where_there_are_too_few(folder: Path) -> None:
    data = SystemData([folder], folder / "cache", ["cars196", "reid"], ["vehicle"], 0.0, seed=3)
    assert len(data.classes) == 6 and len(data.taught) == 15 and data.cameras == ("1", "2")
    batch, again, other = (data.batch_at(step, classes=5, views=3, size=32) for step in (7, 7, 8))
    assert batch.images.shape == (15, 3, 32, 32) and batch.labels.shape == (15, 1) and batch.places.max() == 1
    torch.testing.assert_close(batch.images, again.images)
    assert not torch.equal(batch.images, other.images)
    assert sorted(Counter(batch.labels.flatten().tolist()).values()) == [3] * 5
    assert data.batch_at(0, classes=9, views=1, size=32).images.shape[0] == 9


def test_more_cameras_than_places_are_said_so(folder: Path) -> None:
    data = SystemData([folder], folder / "cache", ["cars196", "reid"], ["vehicle"], 0.0, seed=3)
    batch = data.batch_at(0, classes=6, views=2, size=64)
    assert batch.places.tolist().count(-1) == 6 and batch.places.max() == 1  # half of the classes are no one's camera
    losses = losses_of("clip_senet", build_system("clip_senet", {**SMALL["clip_senet"], "places": 1}), classes=6)
    with pytest.raises(ValueError, match="1 places"):
        losses(batch)


def test_levels_go_from_coarse_to_fine(folder: Path) -> None:
    data = SystemData([folder], folder / "cache", ["cars196"], ["make", "type", "model", "year"], 0.0, seed=0)
    by_class = data.batch_at(0, classes=3, views=1, size=32).labels
    makes = Counter(by_class[:, 0].tolist())
    assert by_class.shape == (3, 4) and sorted(makes.values()) == [1, 2]  # two Arias and a Boreal
    assert len({tuple(row) for row in by_class.tolist()}) == 3


def test_withheld_names_are_never_shown(folder: Path) -> None:
    data = SystemData([folder], folder / "cache", ["cars196"], ["name"], 0.34, seed=0)
    assert len(data.withheld) == 1 and len(data.classes) == 2
    assert not data.withheld & {picture.model for picture in data.taught}


def test_one_class_alone_teaches_nothing(folder: Path) -> None:
    with pytest.raises(ValueError, match="no two classes of name"):
        SystemData([folder], folder / "cache", ["reid"], ["name"], 0.0, seed=0)
    with pytest.raises(ValueError, match="plates"):
        SystemData([folder], folder / "cache", ["plates"], ["name"], 0.0, seed=0)


@pytest.mark.parametrize("name", list(SMALL))
def test_fifty_steps_halve_the_loss(name: str) -> None:
    """On eight classes that differ by colour, two views each."""
    torch.manual_seed(0)
    network = build_system(name, SMALL[name])
    losses = losses_of(name, network, classes=8).train()
    optimizer = torch.optim.AdamW(losses.parameters(), lr=3e-3)
    colours = torch.randn(8, 3, 1, 1)
    numbers = torch.arange(8).repeat_interleave(2)
    labels = torch.stack([numbers // 4, numbers], dim=1) if name == "vericar" else numbers[:, None]

    def step() -> float:
        images = colours[numbers].expand(-1, -1, 64, 64) + 0.3 * torch.randn(16, 3, 64, 64)
        total = torch.stack(list(losses(SystemBatch(images, labels, numbers % 3)).values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        return total.item()

    steps = [step() for _ in range(50)]
    assert np.mean(steps[-3:]) < np.mean(steps[:3]) / 2


def test_every_shipped_config_is_read() -> None:
    shipped = sorted(path.stem for path in (CONFIG_FOLDER / "systems").glob("*.toml"))
    configs = {name: load_system_config(name) for name in shipped}
    assert {config.system for config in configs.values()} == set(SMALL)
    veri = configs["clip-senet-veri"]
    assert (veri.seed, veri.classes, veri.views, veri.phases[0].epochs) == (3407, 16, 8, 24)
    assert veri.phases[0].schedule_for(37_778, veri.batch).steps == 7083
    first, second = configs["clvr"].phases
    assert first.frozen == ("trunk.",) and not second.frozen
    assert (first.schedule["optimizer"], second.schedule["optimizer"]) == ("rmsprop", "sgd")
    for config in configs.values():
        if not config.pretrained:
            build_system(config.system, config.settings())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('system = "yolo"', "system must be one of"),
        ('levels = ["colour"]', "levels among"),
        ('levles = ["name"]', "levles"),
        ("phases = []", "needs phases"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, change: str, words: str) -> None:
    written = (CONFIG_FOLDER / "systems" / "clvr-small.toml").read_text()
    key = change.split()[0]
    lines = [line for line in written.splitlines() if not line.startswith(f"{key} =")]
    if key == "phases":
        lines = lines[: lines.index("[network]")]
    path = tmp_path / "own.toml"
    path.write_text(change + "\n" + "\n".join(lines))
    with pytest.raises(ValueError, match=words):
        load_system_config(str(path))


def test_milestones_divide_the_rate_by_ten() -> None:
    schedule = Schedule(steps=120, learning_rate=1.0, warm_up=0.1, milestones=(0.5, 0.75))
    rates = [schedule.rate_at(step) for step in (5, 11, 59, 60, 89, 90, 119)]
    assert rates == pytest.approx([0.5, 1, 1, 0.1, 0.1, 0.01, 0.01])
    with pytest.raises(ValueError, match="lamb"):
        Schedule(steps=1, learning_rate=1.0, optimizer="lamb")


def _table(values: dict) -> str:
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())


def _config(folder: Path, frozen: str = "") -> Path:
    """A tiny CLIP-SENet of two phases; what begins as `frozen` learns nothing in the first one."""
    sizes = {**SMALL["clip_senet"], "image_size": 32}
    options, semantic = sizes.pop("options"), sizes.pop("semantic_options")
    phase = 'epochs = 1\nschedule = { learning_rate = 1e-3, warm_up = 0.0, optimizer = "sgd" }\n'
    path = folder / "tiny.toml"
    path.write_text(
        'system = "clip_senet"\nseed = 0\ndata = ["cars196", "reid"]\nlevels = ["vehicle"]\nclasses = 3\nviews = 2\n'
        f"withheld = 0.34\n[network]\n{_table(sizes)}\n[network.options]\n{_table(options)}\n"
        f'[network.semantic_options]\n{_table(semantic)}\n[[phases]]\nname = "first"\n'
        f'frozen = ["{frozen or "nothing"}"]\n{phase}[[phases]]\nname = "second"\n{phase}'
    )
    return path


class _Teacher:
    """Answers with every picture's mean colour, again and again."""

    def __init__(self, path: Path, threads: int) -> None:
        assert path.exists() and threads

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.mean(dim=(2, 3)).repeat(1, 427)[:, :1280]


def test_a_system_starts_from_a_backbone_that_a_teacher_taught(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_tools.training.backbone.FeatureTeacher", _Teacher)
    (folder / "teacher.tflite").write_bytes(b"")
    backbone, options = folder / "tiny-resnet.toml", SMALL["clvr"]["options"]
    backbone.write_text(
        'backbone = "resnet26"\nimage_size = 32\nseed = 0\ndata = ["cars196", "reid"]\nteacher = "teacher.tflite"\n'
        f"withheld = 0.34\nviews = 2\nbatch = 8\nschedule = {{ steps = 40, learning_rate = 1e-2, ema_decay = 0.5 }}\n"
        f"[options]\n{_table(options)}\n"
    )
    run = folder / "backbones" / "tiny-resnet"
    places = ["--data", str(folder), "--cache", str(folder / "cache"), "--cpu"]
    config = folder / "tiny.toml"
    config.write_text(
        'system = "clvr"\nseed = 0\ndata = ["cars196"]\nlevels = ["name"]\nclasses = 2\nviews = 2\n'
        f'backbones = {{ options = "{backbone}" }}\n[network]\nbackbone = "resnet26"\nimage_size = 32\n'
        '[[phases]]\nname = "all"\nepochs = 1\nfrozen = ["trunk."]\nschedule = { learning_rate = 1e-3 }\n'
    )
    system = ["train-system", "--config", str(config), "--run", str(folder / "run"), "--backbones",
              str(folder / "backbones"), *places]  # fmt: skip
    with pytest.raises(SystemExit, match="train-backbone --config"):
        main(system)
    main(["train-backbone", "--config", str(backbone), "--run", str(run), *places])
    losses = [json.loads(line)["feature"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert len(losses) == 2 and losses[1] < 0.8 * losses[0]
    main(system)
    network, _ = load_run(folder / "run")
    taught = load_file(run / "weights.safetensors")
    started = network.get_parameter("trunk.model.conv1.0.weight")
    torch.testing.assert_close(started, taught["conv1.0.weight"], rtol=1e-3, atol=1e-3)  # a run's file is in halves
    assert "checkpoint_path" not in (folder / "run" / "run.json").read_text()


def test_a_run_becomes_a_checkpoint_that_recognises(folder: Path) -> None:
    """Exported, its graph says what the network says, and the shipped checkpoint finds the vehicles for it."""
    run, output = folder / "run", folder / "tiny-senet"
    command = ["train-system", "--config", str(_config(folder)), "--data", str(folder), "--run", str(run)]
    main([*command, "--cache", str(folder / "cache"), "--cpu"])
    main(["export", "--run", str(run), "--output", str(output), "--name", "tiny-senet", "--version", "0.1"])
    network, labels = load_run(output)
    assert len(labels["models"]) == 2 and not (output / "model_int8.onnx").exists()
    assert len((output / "training.jsonl").read_text().splitlines()) == 0  # four steps are too few for a line
    recognizer = Recognizer.from_checkpoint(output)
    picture = Image.new("RGB", (64, 64), (200, 40, 40))
    (vehicle,) = recognizer.describe_batch([picture])
    assert recognizer.checkpoint.title == "tiny-senet 0.1" and recognizer.embedding_size == 64
    with torch.no_grad():
        pixels = torch.from_numpy(recognizer.graphs[-1].prepare(picture))[None]
        expected = network.eval()(pixels)["reid_embeds"][0, 0]
    np.testing.assert_allclose(vehicle.embedding, expected.numpy(), atol=5e-4)  # weights are kept in halves
    np.testing.assert_allclose(recognizer.embed([(picture, None)])[0], vehicle.embedding, atol=1e-6)
    main(["evaluate", "--checkpoint", str(output), "--data", str(folder), "--split", "train", "--limit", "4",
          "--output", str(folder / "figures.json")])  # fmt: skip
    assert json.loads((folder / "figures.json").read_text())["reid"]["queries"] == 2


def test_frozen_parts_stay_as_they_are_and_a_killed_run_goes_on(folder: Path) -> None:
    run = folder / "run"
    config = _config(folder, frozen="appearance.")
    command = ["train-system", "--config", str(config), "--data", str(folder), "--run", str(run)]
    main([*command, "--cache", str(folder / "cache"), "--cpu"])
    first = torch.load(run / "first" / "state.pt", weights_only=True)["model"]
    torch.manual_seed(0)
    start = build_system("clip_senet", load_system_config(str(config)).network).state_dict()
    weight = "appearance.model.layer1.0.conv1.weight"
    torch.testing.assert_close(first[f"network.{weight}"], start[weight])
    assert not torch.equal(first["network.fuse.weight"], start["fuse.weight"])
    whole, _ = load_run(run)
    assert not torch.equal(whole.state_dict()[weight], start[weight])
    # Killed after the first phase: the second is done again from there, and ends as it did.
    shutil.rmtree(run / "second")
    (run / "weights.safetensors").unlink()
    main([*command, "--cache", str(folder / "cache"), "--cpu"])
    again, _ = load_run(run)
    for name, values in whole.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], values)
