"""Filling a gallery from files, with what is broken in them."""

from __future__ import annotations

import errno
import io
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.graphs import write_checkpoint
from vehicle_demo.gallery.building import Progress, build, rebuild
from vehicle_demo.gallery.gallery import Gallery, GalleryError
from vehicle_demo.gallery.sources import Source, open_files, open_source
from vehicle_demo.gallery.storage import GalleryKeepingError
from vehicle_demo.pictures import Pictures
from vehicle_demo.recognition import Box, Recognizer


def picture(shade: int, size: tuple[int, int] = (200, 100)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, 40, 200)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def recognizer(tmp_path: Path) -> Recognizer:
    return Recognizer.from_checkpoint(write_checkpoint(tmp_path / "checkpoint"))


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    return Gallery(tmp_path / "gallery", "drawn-nano")


def filled(gallery: Gallery, recognizer: Recognizer, source: Source) -> Progress:
    *_, last = build(gallery, recognizer, source)
    return last


def test_a_folder_with_a_broken_file_and_a_picture_twice(
    tmp_path: Path, gallery: Gallery, recognizer: Recognizer
) -> None:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for shade in range(20):
        (folder / f"{shade:02}.png").write_bytes(picture(shade))
    (folder / "more" / "again.png").write_bytes(picture(3))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff cut")
    (folder / "notes.txt").write_text("no picture")
    progress = filled(gallery, recognizer, open_source(folder))
    assert (progress.total, progress.done, progress.added, progress.known) == (22, 22, 20, 1)
    ((name, reason),) = progress.bad
    assert name == "broken.jpg" and "picture" in reason
    (item,) = gallery.storage.items([0])
    assert (item.source, item.type, item.plate) == ("photos", "type c", "AB12") and item.confidence is not None
    # The vehicle is the middle half of the picture: its thumbnail shows that and nothing else.
    assert Image.open(io.BytesIO(item.thumbnail)).size == (100, 50)
    again = filled(gallery, recognizer, open_source(folder))
    assert (again.added, again.known) == (0, 21) and len(gallery) == 20


def test_the_pictures_are_kept_with_where_each_vehicle_is(
    tmp_path: Path, gallery: Gallery, recognizer: Recognizer
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").write_bytes(picture(1))
    filled(gallery, recognizer, open_source(tmp_path / "photos"))
    (tmp_path / "photos" / "one.png").unlink()
    (item,) = Gallery(tmp_path / "gallery", "drawn-nano").storage.items([0])
    assert item.box == Box(50, 25, 150, 75)
    assert gallery.storage.pictures.path(item.picture).read_bytes() == picture(1)


def test_pictures_without_room_end_the_build_with_a_sentence(
    tmp_path: Path, gallery: Gallery, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").write_bytes(picture(1))

    def full(self: Pictures, content: bytes) -> str:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Pictures, "add", full)
    with pytest.raises(GalleryKeepingError, match="The disk is full"):
        filled(gallery, recognizer, open_source(tmp_path / "photos"))
    assert len(gallery) == 0


def test_a_stopped_build_goes_on_where_it_was(tmp_path: Path, gallery: Gallery, recognizer: Recognizer) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for shade in range(40):
            archive.writestr(f"{shade:02}.png", picture(shade))
    source = open_source(tmp_path / "photos.zip")
    first = next(build(gallery, recognizer, source))
    assert 0 < first.added < 40 and len(gallery) == first.added
    rest = filled(gallery, recognizer, source)
    assert (rest.added, rest.known) == (40 - first.added, first.added)


def test_what_another_checkpoint_filled_is_looked_at_anew_with_what_was_told_of_it(
    tmp_path: Path, recognizer: Recognizer
) -> None:
    write_checkpoint(tmp_path / "newer", name="newer-nano")
    newer = Recognizer.from_checkpoint(tmp_path / "newer")
    earlier, gallery = (Gallery(tmp_path / name, name) for name in ("drawn-nano", "newer-nano"))
    columns = {"image": [{"bytes": picture(shade), "path": ""} for shade in range(20)]}
    told = {"vehicle_id": [f"V{shade % 4}" for shade in range(20)], "type": ["taxi"] * 20}
    pq.write_table(pa.table({**columns, **told}), tmp_path / "cars.parquet")
    filled(earlier, recognizer, open_source(tmp_path / "cars.parquet"))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").write_bytes(picture(99))
    filled(earlier, recognizer, open_source(tmp_path / "photos"))
    old = earlier.storage.items(range(21))
    earlier.storage.pictures.path(old[3].picture).unlink()
    first = next(rebuild(gallery, newer, earlier.storage))
    assert 0 < first.added < 20
    *_, last = rebuild(gallery, newer, earlier.storage)  # it goes on where it was stopped
    assert (last.total, last.done, last.added, last.known) == (21, 21, 20 - first.added, first.added)
    ((name, reason),) = last.bad
    assert name == "cars" and "not kept" in reason
    new = {item.picture: item for item in gallery.storage.items(range(20))}
    for item in old[:3] + old[4:]:
        for name in ("vehicle_id", "box", "plate", "source", "told"):
            assert getattr(new[item.picture], name) == getattr(item, name)
        assert gallery.storage.pictures.path(item.picture).exists()
    assert new[old[0].picture].type == "taxi" and new[old[20].picture].type == "type c"
    assert np.allclose(gallery.embeddings([0]), earlier.embeddings([0]), atol=1e-5)  # the two see alike


def test_a_damaged_member_of_a_zip_is_listed(tmp_path: Path, gallery: Gallery, recognizer: Recognizer) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for shade in range(3):
            archive.writestr(f"{shade}.png", picture(shade))
    content = bytearray(path.read_bytes())
    content[content.index(picture(1)) + 60] ^= 255
    path.write_bytes(content)
    progress = filled(gallery, recognizer, open_source(path))
    assert progress.added == 2 and [name for name, _ in progress.bad] == ["1.png"]


def test_rows_of_a_table_are_single_vehicles_with_what_it_tells(
    tmp_path: Path, gallery: Gallery, recognizer: Recognizer
) -> None:
    rows = [
        {"image": {"bytes": picture(n), "path": None}, "split": s, "vehicle_id": n, "camera_id": 2, "make": "Arvo"}
        for n, s in ((1, "train"), (2, "validation"), (3, "validation"))
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "reid.parquet")
    assert filled(gallery, recognizer, open_source(tmp_path / "reid.parquet", "validation")).added == 2
    items = gallery.storage.items([0, 1])
    assert [item.vehicle_id for item in items] == ["2", "3"]
    assert {(item.camera, item.make, item.model) for item in items} == {("2", "Arvo", "model e")}
    assert Image.open(io.BytesIO(items[0].thumbnail)).size == (192, 96)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty", None, "no pictures"),
        ("gone.zip", b"", "not a zip file"),
        ("gone.parquet", b"", "not a parquet file"),
        ("words.txt", b"words", "neither a folder"),
    ],
)
def test_a_source_that_is_none_says_so(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is None:
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(GalleryError, match=words):
        open_source(tmp_path / name)


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_is_listed_however_it_is_packed(
    tmp_path: Path, gallery: Gallery, recognizer: Recognizer, packing: int
) -> None:
    noise = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(noise, "PNG")
    path = tmp_path / "photos.ZIP"  # as some cameras and systems write it
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("noise.png", noise.getvalue())
        archive.writestr("whole.png", picture(1))
    content = bytearray(path.read_bytes())
    content[1000:1400] = bytes(400)
    path.write_bytes(content)
    progress = filled(gallery, recognizer, open_source(path))
    assert progress.added == 1 and [name for name, _ in progress.bad] == ["noise.png"]


def test_names_that_lead_out_of_a_zip_are_only_names(tmp_path: Path, gallery: Gallery, recognizer: Recognizer) -> None:
    box = tmp_path / "box"
    box.mkdir()
    with zipfile.ZipFile(box / "photos.zip", "w") as archive:
        archive.writestr("../../out.png", picture(1))
        archive.writestr("/tmp/vehicle-demo-out.png", picture(2))
        archive.writestr("../bad.png", b"no picture")
        archive.writestr("album.jpg/", b"")
        archive.writestr("__MACOSX/._out.png", b"what macOS adds")
    before = sorted(tmp_path.rglob("*.png"))
    progress = filled(gallery, recognizer, open_source(box / "photos.zip"))
    assert (progress.total, progress.added, [name for name, _ in progress.bad]) == (3, 2, ["../bad.png"])
    assert sorted(tmp_path.rglob("*.png")) == before and not Path("/tmp/vehicle-demo-out.png").exists()


def test_a_picture_that_unpacks_to_gigabytes_is_passed_over(
    tmp_path: Path, gallery: Gallery, recognizer: Recognizer
) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(40 * 2**20))
        archive.writestr("fine.png", picture(1))
    progress = filled(gallery, recognizer, open_source(tmp_path / "photos.zip"))
    ((name, reason),) = progress.bad
    assert progress.added == 1 and name == "bomb.png" and "larger than 32 MB" in reason


def test_a_picture_twice_in_one_batch_is_counted_as_known(
    tmp_path: Path, gallery: Gallery, recognizer: Recognizer
) -> None:
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path in paths:
        path.write_bytes(picture(7))
    (source,) = open_files(paths)
    progress = filled(gallery, recognizer, source)
    assert (progress.done, progress.added, progress.known) == (3, 1, 2)


def test_a_table_may_hold_pictures_as_plain_bytes_and_broken_ones(
    tmp_path: Path, gallery: Gallery, recognizer: Recognizer
) -> None:
    rows = {
        "image": [picture(1), None, b"no picture"],
        "time": ["2026-01-02T08:00", "", ""],
        "plate_text": ["X1", "", ""],
    }
    pq.write_table(pa.table(rows), tmp_path / "photos.parquet")
    progress = filled(gallery, recognizer, open_source(tmp_path / "photos.parquet"))
    assert [name for name, _ in progress.bad] == ["row 1", "row 2"]
    (item,) = gallery.storage.items([0])
    assert (item.time, item.plate, item.source) == ("2026-01-02T08:00", "X1", "photos")


def test_a_table_without_pictures_names_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"photo": [b""], "make": ["Arvo"]}), tmp_path / "cars.parquet")
    with pytest.raises(GalleryError, match="no column `image`; it has make, photo"):
        open_source(tmp_path / "cars.parquet")


def test_uploaded_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match=r"notes\.txt is neither a picture"):
        open_files([tmp_path / "a.png", tmp_path / "notes.txt"])


def test_killed_while_building_it_goes_on_and_ends_as_if_never_killed(
    tmp_path: Path, gallery: Gallery, recognizer: Recognizer
) -> None:
    """What was reported as added is there after `kill -9`; the rest is added by the next build, each picture once."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for shade in range(80):
        (folder / f"{shade:02}.png").write_bytes(picture(shade))
    filled(gallery, recognizer, open_source(folder))
    whole = vectors_of(gallery)
    script = """
        import sys
        from pathlib import Path
        from vehicle_demo.gallery.building import build
        from vehicle_demo.gallery.gallery import Gallery
        from vehicle_demo.gallery.sources import open_source
        from vehicle_demo.recognition import Recognizer
        recognizer = Recognizer.from_checkpoint(sys.argv[1])
        for progress in build(Gallery(Path(sys.argv[2]), "drawn-nano"), recognizer, open_source(sys.argv[3])):
            print(progress.added, flush=True)
    """
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "checkpoint"), str(killed), str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    reported = [int(child.stdout.readline()) for _ in range(2)]
    child.send_signal(signal.SIGKILL)
    reported += [int(line) for line in child.communicate()[0].split()]
    again = Gallery(killed, "drawn-nano")
    kept = len(again)
    assert reported[-1] <= kept <= 80
    assert filled(again, recognizer, open_source(folder)).added == 80 - kept
    found = vectors_of(again)
    assert found.keys() == whole.keys()
    for name, vector in whole.items():
        np.testing.assert_allclose(found[name], vector, atol=1e-6)


def vectors_of(gallery: Gallery) -> dict[str, np.ndarray]:
    rows = range(len(gallery))
    pictures = (item.picture for item in gallery.storage.items(rows))
    return dict(zip(pictures, gallery.embeddings(rows), strict=True))
