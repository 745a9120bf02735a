"""What may be dropped on the app, and the sentence for what may not."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from vehicle_demo.recognition import ImageError, open_image
from vehicle_demo.recognition import images as images_module

RED = (200, 30, 20)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def red(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (width, height), RED).convert(mode)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"])
def test_reads_every_common_kind(kind: str) -> None:
    opened = open_image(encoded(red(), kind))
    assert opened.mode == "RGB" and opened.size == (64, 48)
    assert np.abs(np.asarray(opened, dtype=int) - RED).max() < 12


def test_reads_heic() -> None:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(red()).save(buffer, quality=90)
    assert open_image(buffer.getvalue()).size == (64, 48)


def test_reads_a_path(tmp_path: Path) -> None:
    red().save(tmp_path / "car.png")
    assert open_image(tmp_path / "car.png").size == open_image(str(tmp_path / "car.png")).size == (64, 48)


def test_turns_a_phone_photo_upright() -> None:
    sideways = Image.new("RGB", (64, 48), "white")
    sideways.paste("black", (0, 0, 64, 10))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown a quarter turn clockwise
    upright = open_image(encoded(sideways, "PNG", exif=exif))
    assert upright.size == (48, 64)
    assert upright.getpixel((45, 30)) == (0, 0, 0)
    assert upright.getpixel((2, 30)) == (255, 255, 255)


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "JPEG"), ("L", "PNG"), ("P", "PNG"), ("1", "PNG"), ("LA", "PNG")])
def test_converts_odd_modes(mode: str, kind: str) -> None:
    assert open_image(encoded(red(mode="L" if mode == "LA" else mode).convert(mode), kind)).mode == "RGB"


def test_lays_transparency_over_white() -> None:
    clear = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    assert open_image(encoded(clear, "PNG")).getpixel((5, 5)) == (255, 255, 255)


def test_scales_16_bits_instead_of_clipping() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    opened = np.asarray(open_image(encoded(Image.fromarray(ramp), "PNG")))[..., 0]
    assert opened.min() == 0 and opened.max() == 255
    assert abs(int(opened[32, 0]) - 128) <= 1


def test_takes_the_first_frame() -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert open_image(data).getpixel((3, 3)) == (255, 0, 0)


def bomb() -> bytes:
    """A PNG of a few hundred bytes that claims 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"not a picture at all", "not a picture we can read"),
        (encoded(red(640, 480), "JPEG")[:2000], "damaged"),
        (encoded(red(640, 480), "PNG")[:120], "damaged"),
        (encoded(red(8, 8), "PNG"), "at least 16"),
        (encoded(red(2000, 20), "PNG"), "too narrow"),
        (bomb(), "too many pixels"),
    ],
)
def test_refuses_with_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        open_image(data)


def test_refuses_files_over_the_limit_without_reading_them(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.truncate(images_module.MAX_BYTES + 1)
    with pytest.raises(ImageError, match="limit is 32 MB"):
        open_image(path)


def test_a_missing_file_is_a_sentence_too(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="could not be opened"):
        open_image(tmp_path / "gone.jpg")


@pytest.mark.parametrize(("value", "grey"), [(1, 0), (200, 1), (255, 1), (30_000, 117), (65_535, 255)])
def test_a_dark_16_bit_picture_stays_dark(value: int, grey: int) -> None:
    data = encoded(Image.fromarray(np.full((20, 20), value, np.uint16)), "PNG")
    assert open_image(data).getpixel((0, 0)) == (grey, grey, grey)


def test_a_colour_that_stands_for_transparent_becomes_white() -> None:
    assert open_image(encoded(red(), "PNG", transparency=RED)).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["La", "RGBa", "PA", "I", "F", "LAB", "HSV", "YCbCr"])
def test_converts_pillow_images_of_every_mode(mode: str) -> None:
    assert open_image(Image.new(mode, (32, 32))).mode == "RGB"


def test_a_pillow_image_is_held_to_the_same_rules() -> None:
    cut = Image.open(io.BytesIO(encoded(red(640, 480), "JPEG")[:2000]))
    with pytest.raises(ImageError, match="damaged"):
        open_image(cut)
    with pytest.raises(ImageError, match="not a picture we can read"):
        open_image(Image.open(io.BytesIO(encoded(red(), "PPM"))))
    with pytest.raises(ImageError, match="too many pixels"):
        open_image(Image.new("1", (10_000, 6_500)))


def test_leaves_the_callers_picture_alone() -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    animation = Image.open(io.BytesIO(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])))
    animation.seek(1)
    open_image(animation)
    assert animation.tell() == 1
    original = red()
    open_image(original).paste("black", (0, 0, 64, 48))
    assert original.getpixel((0, 0)) == RED


@pytest.mark.parametrize("source", [None, 7, np.zeros((40, 40, 3), np.uint8), "a\0b"])
def test_what_is_no_picture_at_all_gets_a_sentence(source: object) -> None:
    with pytest.raises(ImageError, match="Choose"):
        open_image(source)  # type: ignore[arg-type]
