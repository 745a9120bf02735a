"""The plate reader's training: what it sees, and that the command leaves a reader that the recogniser uses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from data_tools.__main__ import main
from data_tools.drawing import fonts, pressed
from data_tools.drawing.plates import LAYOUTS, random_layout, random_text
from data_tools.readers.readings import Readings
from data_tools.training.photo_plates import photo_plates
from data_tools.training.plates import (
    PlateBatch,
    PlateCloseUps,
    close_up,
    homographies,
    photographed,
    seen_from_elsewhere,
)
from data_tools.training.reader import ReaderLosses
from tests.data_tools.files import write_plate_photos, write_plates
from tests.graphs import write_checkpoint
from vehicle_demo.models.plate_reader import PlateReader
from vehicle_demo.recognition import Recognizer
from vehicle_demo.recognition.plates import ALPHABET

SHIPPED = Path("checkpoints/vehicledino-nano")


def test_a_homography_carries_its_corners() -> None:
    square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    targets = square + np.random.default_rng(0).normal(0, 0.2, (5, 4, 2))
    carried = np.concatenate([square, np.ones((4, 1))], axis=1) @ homographies(square, targets).transpose(0, 2, 1)
    np.testing.assert_allclose(carried[..., :2] / carried[..., 2:], targets, atol=1e-9)


def test_texts_fit_the_slots_and_their_style() -> None:
    for seed in range(200):
        rng = np.random.default_rng(seed)
        text = random_text(rng, random_layout(rng).pattern)
        assert 4 <= len(text) <= 8 and set(text) <= set(ALPHABET)


def test_a_seed_draws_the_same_plate_again() -> None:
    (first, text), (second, same) = (close_up(np.random.default_rng(5)) for _ in range(2))
    assert text == same and np.array_equal(np.asarray(first), np.asarray(second))
    assert close_up(np.random.default_rng(6))[1] != text


def test_a_plate_seen_from_elsewhere_is_still_all_there() -> None:
    """A mark near each corner of the text area stays in what the reader sees."""
    plates = torch.zeros(64, 3, 64, 192)
    for y, x in ((12, 16), (12, 172), (48, 16), (48, 172)):
        plates[:, :, y : y + 5, x : x + 5] = 1
    seen = seen_from_elsewhere(plates, np.random.default_rng(0), np.zeros(64))
    assert seen.shape == (64, 3, 48, 160)
    marks = seen[:, 0] > 0.3
    quarters = [
        marks[:, r, c].flatten(1).any(dim=1) for r in (slice(24), slice(24, 48)) for c in (slice(80), slice(80, 160))
    ]
    assert torch.stack(quarters).float().mean() > 0.9


def test_a_batch_is_the_same_whenever_it_is_asked_for_and_masks_what_is_unknown(tmp_path: Path) -> None:
    write_plates(tmp_path, ["AB123", "4-7-C"])
    plates = PlateCloseUps([tmp_path], tmp_path / "cache", seed=0, drawn=6)
    again = PlateCloseUps([tmp_path], tmp_path / "cache", seed=0, drawn=6)
    batch = plates.batch_at(3, 32)
    assert torch.equal(batch.pixels, again.batch_at(3, 32).pixels)
    assert not torch.equal(batch.pixels, plates.batch_at(4, 32).pixels)
    masked = batch.slots[batch.slots.eq(-1).any(dim=1)]
    assert len(masked) and masked[0].tolist() == [4, -1, 7, -1, 12, 36, 36, 36]
    assert len(batch.pixels) == 32 and not len(batch.plain)  # no photos, so none that nobody has read


def test_an_eighth_of_a_batch_is_unread_where_there_are_photos(tmp_path: Path) -> None:
    """The photo's plate is a white block: most of both views of it is white."""
    write_plates(tmp_path, ["AB123"])
    write_plate_photos(tmp_path, [("world", [0.5, 0.6, 0.4, 0.15], "")], split="train")
    batch = PlateCloseUps([tmp_path], tmp_path / "cache", seed=0, drawn=2).batch_at(0, 32)
    assert len(batch.pixels) == 28 and batch.plain.shape == batch.changed.shape == (4, 3, 48, 160)
    assert batch.plain[:, :, 16:32, 50:110].min() > 0.5
    assert not torch.equal(batch.plain, batch.changed)


def test_plates_of_photos_teach_what_was_read_on_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One was read, one could not be, nobody looked at the third; who has not the photos learns nothing of it."""
    write_plates(tmp_path, ["AB123"])
    spots = [0.2, 0.5, 0.8]
    write_plate_photos(tmp_path, [("world", [x, 0.6, 0.3, 0.15], "") for x in spots], split="train")
    texts, output = tmp_path / "texts.csv", tmp_path / "readings.txt"
    texts.write_text("path,box,text\n0.jpg,0,XY-7\n1.jpg,0,\n")
    command = ["seal-readings", "--texts", str(texts), "--data", str(tmp_path), "--output", str(output)]
    main(command)
    main(command)  # the same readings again take the place of the first
    assert len(output.read_text().splitlines()) == 2 and "XY" not in output.read_text()
    monkeypatch.setattr("data_tools.readers.parquet._readings", lambda: Readings(output))
    photos = photo_plates([tmp_path], tmp_path / "cache", (64, 192))
    assert photos.slots.tolist() == [[33, 34, -1, 7, 36, 36, 36, 36], [-1] * 8]
    batch = PlateCloseUps([tmp_path], tmp_path / "cache", seed=0, drawn=2).batch_at(0, 64)
    assert photos.slots[0].tolist() in batch.slots.tolist() and len(batch.plain) == 8
    other = b"another photo"
    assert Readings(output).text_of(other, 0) is None
    texts.write_text("path,box,text\n0.jpg,0,xy7\n")
    with pytest.raises(SystemExit, match="no reading"):
        main(command)
    texts.write_text("path,box,text\n9.jpg,0,XY7\n")
    with pytest.raises(SystemExit, match=r"no photo 9\.jpg"):
        main(command)


def test_blocks_put_into_a_reader_change_nothing_at_first() -> None:
    torch.manual_seed(0)
    reader = PlateReader().eval()
    pixels = torch.rand(2, 3, 48, 160) * 2 - 1
    before = reader.read(pixels)
    reader.refine = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Identity()])
    torch.testing.assert_close(reader.read(pixels), before)


def test_pressed_plates_differ_and_their_texts_fit_the_slots() -> None:
    drawn = [pressed.random_plate(np.random.default_rng(seed), height=48) for seed in range(60)]
    texts = {text for _, text in drawn}
    assert len(texts) > 55 and all(4 <= len(text) <= 8 and set(text) <= set(ALPHABET) for text in texts)
    assert any(letter in text for text in texts for letter in "IOQ")  # which vanity plates have
    assert all(1.5 < image.width / image.height < 2.5 for image, _ in drawn)
    again, text = pressed.random_plate(np.random.default_rng(3), height=48)
    assert text == drawn[3][1] and np.array_equal(np.asarray(again), np.asarray(drawn[3][0]))


def test_a_font_that_is_not_installed_is_said_so() -> None:
    with pytest.raises(FileNotFoundError, match="apt-get install fonts-roadgeek"):
        fonts.font_file("no-such-font.ttf")


def test_from_afar_a_plate_is_coarser_and_stays_where_it_is() -> None:
    stripes = (torch.arange(160) % 2).float().expand(8, 3, 48, 160).clone()  # as fine as pixels are
    stripes[:, :, :, :80] = 0
    seen = photographed(stripes, np.full(8, 3.0), np.random.default_rng(0), np.full(8, 0.3))
    assert seen.shape == stripes.shape
    coarser = (seen - stripes).abs().mean(dim=(1, 2, 3)) > 0.05
    assert 0 < coarser.sum() < 8  # most of them, not all
    assert (seen[:, :, :, :70].mean(dim=(1, 2, 3)) < 0.1).all() and (seen[:, :, :, 90:].mean(dim=(1, 2, 3)) > 0.3).all()


def test_the_shipped_reader_reads_drawn_plates_it_was_not_taught(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["draw-plates", "--output", str(tmp_path), "--count", "20"])
    main(["evaluate", "--checkpoint", "checkpoints/vehicledino-nano", "--data", str(tmp_path)])
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("plates."))
    assert {float(printed[f"plates.drawn_{layout.name}.plates"]) for layout in LAYOUTS} == {20}
    assert min(float(printed[f"plates.drawn_{layout.name}.exact"]) for layout in LAYOUTS) >= 0.85
    with pytest.raises(SystemExit, match="choose another"):
        main(["draw-plates", "--output", str(tmp_path), "--seed", "1"])


def test_unknown_characters_teach_nothing() -> None:
    torch.manual_seed(0)
    losses = ReaderLosses(PlateReader().eval())
    pixels, nothing = torch.rand(2, 3, 48, 160) * 2 - 1, torch.zeros(0, 3, 48, 160)
    slots = torch.full((2, 8), 36)
    hidden = slots.clone()
    hidden[:, 3] = -1
    full, part = (losses(PlateBatch(pixels, values, nothing, nothing)) for values in (slots, hidden))
    assert full["characters"] != part["characters"] and torch.isfinite(part["characters"])
    assert "unread" not in full


@pytest.mark.parametrize(("sureness", "teaches"), [(0.1, False), (300.0, True)])
def test_an_unread_plate_teaches_only_where_it_is_read_surely(sureness: float, teaches: bool) -> None:
    torch.manual_seed(0)
    network = PlateReader()
    with torch.no_grad():
        network.get_parameter("head.characters.1.weight").mul_(sureness)
    losses = ReaderLosses(network)
    pixels = torch.rand(4, 3, 48, 160) * 2 - 1
    answer = losses(PlateBatch(pixels, torch.full((4, 8), 36), pixels, pixels.flip(3)))
    assert (answer["unread"] > 0) == teaches
    assert network.training  # what reads the plain view leaves it as it was


def test_the_command_leaves_a_reader_that_the_checkpoint_names(tmp_path: Path) -> None:
    write_plates(tmp_path, ["AB123", "4-7-C"])
    folder = write_checkpoint(tmp_path / "own")
    places = ["--data", str(tmp_path), "--run", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")]
    config = tmp_path / "short.toml"
    config.write_text("seed = 1\nbatch = 8\ndrawn = 4\nschedule = { steps = 2, learning_rate = 1e-3 }\n")
    main(["train-reader", *places, "--checkpoint", str(folder), "--config", str(config)])
    plate = close_up(np.random.default_rng(1))[0]
    recognizer = Recognizer.from_checkpoint(folder)
    assert recognizer.checkpoint.reader == "reader.onnx"
    recognizer.read_plates([plate])
    with pytest.raises(SystemExit, match="export the checkpoint"):
        main(["train-reader", *places, "--checkpoint", str(tmp_path / "gone")])
    config.write_text(config.read_text().replace("drawn", "drwn"))
    with pytest.raises(SystemExit, match="drwn"):
        main(["train-reader", *places, "--checkpoint", str(folder), "--config", str(config)])
