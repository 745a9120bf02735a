"""Plates as North America presses them: a state's name, a slogan, an emblem, stickers, bolts and frames about the text.

Nothing here is a real state's plate: names, pictures and serials are made up, the characters come from free fonts that
are drawn narrow and bold like the dies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from data_tools.drawing.fonts import DIES, LETTERING, typeface

Colour = tuple[int, int, int]

_LETTERS, _DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
# I, O and Q are seldom given out.
_CHANCES = np.array([0.3 if letter in "IOQ" else 1.0 for letter in _LETTERS])
# A letter, 9 digit, X either, space a gap, - a dash, * an emblem, s small letters that belong to no serial.
_PATTERNS = (
    "XXX*XXX", "XXX*XXX", "XX9*X9X", "AA9*A9A", "AAA*9999", "AAA*999", "999*AAA", "AA9*99A", "99A*9AA", "9AA*A99",
    "*AAA999", "AAA999*", "A99*99A", "AAA9999", "AAA9999", "9AAA999", "9AAA999", "9AAA999", "999 9999", "AAA 9999",
    "AAA 9999", "999 AAA", "999 AAA", "AAA 999", "AAA 999", "AA 9999", "AA 99999", "A99 9999", "XXX XXX", "XXX XXXX",
    "AAA-9999", "AAA-999", "999-AAA", "99-AA-99", "9999-AA", "A-99999", "AA-9999", "AA-999", "AAA-999", "999999",
    "9999999", "99999A9", "9A AA999", "99-AAAs", "sAA9999", "99*AAA", "A 99999", "XXXXXX", "XXXXXXX", "XXXXXXX",
    "AAAA", "AAAAA", "AAAAAA", "AAAAAAA", "AA AAAA", "AAA9", "99 AAAA", "XXXXX", "AAAAAAAA",
)  # fmt: skip
_WIDTHS = {" ": 0.45, "-": 0.5, "*": 0.85, "s": 0.5}


@dataclass(frozen=True)
class _Style:
    """Colours and the die of one plate; `stroke` is how far its outlines are made bolder (below 0 thinner)."""

    paper: Colour
    ink: Colour
    accent: Colour
    die: str
    stroke: int
    narrow: float
    embossed: float


def random_plate(rng: np.random.Generator, height: int) -> tuple[Image.Image, str]:
    """A plate of that height in pixels and its text, 4 to 8 characters.

    Raises:
        FileNotFoundError: a font is not installed.
    """
    pattern = _PATTERNS[rng.integers(len(_PATTERNS))]
    style = _style(rng)
    width = round(height * rng.uniform(1.75, 2.3))
    image = _background(rng, style, width, height)
    pen = ImageDraw.Draw(image)
    named, sloganed = rng.random() < 0.85, rng.random() < 0.6
    if named:
        _lettered(rng, image, (width / 2, rng.uniform(0.1, 0.17) * height), rng.uniform(0.11, 0.2) * height, style)
    if sloganed:
        _lettered(rng, image, (width / 2, rng.uniform(0.85, 0.92) * height), rng.uniform(0.08, 0.15) * height, style)
    if rng.random() < 0.6:
        _stickers(rng, pen, width, height)
    top = rng.uniform(0.23, 0.33) if named else rng.uniform(0.16, 0.3)
    bottom = rng.uniform(0.74, 0.83) if sloganed else rng.uniform(0.78, 0.86)
    side = rng.uniform(0.03, 0.1) * width
    text = _serial(rng, image, pattern, style, (side, top * height, width - side, bottom * height))
    if rng.random() < 0.7:
        pen.rounded_rectangle(
            (1, 1, width - 2, height - 2), radius=height // 10, outline=style.ink, width=int(rng.integers(1, 4))
        )
    _bolts(rng, pen, width, height)
    if rng.random() < 0.4:
        image = _framed(rng, image, style, (top, bottom))
    return image, text


def _style(rng: np.random.Generator) -> _Style:
    if rng.random() < 0.82:
        paper, ink = _colour(rng, 190, 256), _colour(rng, 0, 70)
        if rng.random() < 0.5:  # navy, green, maroon: one strong colour
            ink = tuple(int(level) for level in np.roll([rng.integers(60, 160), 20, 30], rng.integers(3)))  # type: ignore[assignment]
        if rng.random() < 0.15:
            paper = (int(rng.integers(200, 250)), int(rng.integers(150, 215)), int(rng.integers(30, 110)))
    else:
        paper, ink = _colour(rng, 0, 110), _colour(rng, 190, 256)
    die = DIES[rng.integers(len(DIES))]
    stroke = int(rng.choice((-2, 0, 2, 4, 7)))
    embossed = rng.uniform(0.2, 1) if rng.random() < 0.6 else 0.0
    return _Style(paper, ink, _colour(rng, 0, 200), die, stroke, rng.uniform(0.68, 1.0), embossed)


def _background(rng: np.random.Generator, style: _Style, width: int, height: int) -> Image.Image:
    rows = np.full((height, width, 3), style.paper, np.float64)
    light = sum(style.paper) > sum(style.ink)
    tint = np.array(_colour(rng, 110, 256) if light else _colour(rng, 0, 150), np.float64)
    kind = rng.random()
    if kind < 0.35:  # one colour runs into another
        share = np.linspace(0, 1, height)[:, None, None] ** rng.uniform(0.5, 2.5)
        share = share if rng.random() < 0.5 else share[::-1]
        rows += (tint - rows) * share
    elif kind < 0.55:  # bands above and below
        band = np.array(_colour(rng, 20, 240), np.float64)
        upper, lower = (round(height * rng.uniform(0.1, 0.24)) for _ in range(2))
        if rng.random() < 0.8:
            rows[:upper] = band
        if rng.random() < 0.5:
            rows[height - lower :] = band if rng.random() < 0.5 else tint
    image = Image.fromarray(rows.clip(0, 255).astype(np.uint8))
    if rng.random() < 0.45:  # hills, suns and trees behind the text, mostly pale
        scene = image.copy()
        pen = ImageDraw.Draw(scene)
        for _ in range(rng.integers(1, 7)):
            _blot(rng, pen, rng.uniform(0, width), rng.uniform(0.2, 1) * height, rng.uniform(0.1, 0.5) * height)
        if rng.random() < 0.6:
            scene = scene.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 6)))
        image = Image.blend(image, scene, rng.uniform(0.1, 0.75 if rng.random() < 0.3 else 0.4))
    return image


def _serial(
    rng: np.random.Generator,
    image: Image.Image,
    pattern: str,
    style: _Style,
    area: tuple[float, float, float, float],
) -> str:
    """Press the characters in; what they say."""
    left, top, right, bottom = area
    wide = sum(_WIDTHS.get(place, 1.0) for place in pattern)
    cell = min((right - left) / wide, rng.uniform(0.42, 0.62) * (bottom - top) * 1.25)
    x = left + (right - left - cell * wide) * (0.5 if rng.random() < 0.85 else rng.uniform(0, 1))
    height = bottom - top
    smaller = rng.uniform(0.65, 0.9) if rng.random() < 0.06 else 1.0  # the first group of some plates
    mask = Image.new("L", image.size)
    pen = ImageDraw.Draw(image)
    emblem = rng.random()
    text = ""
    for number, place in enumerate(pattern):
        share = _WIDTHS.get(place, 1.0)
        if place in "A9X":
            character = _character(rng, place)
            text += character
            scale = smaller if " " in pattern and number < pattern.index(" ") else 1.0
            glyph = _pressed(character, style, (cell * share, height * scale))
            y = bottom - glyph.height - (height - glyph.height) * (0.5 if scale < 1 and smaller < 0.8 else 0)
            mask.paste(glyph, (round(x + (cell * share - glyph.width) / 2), round(y)), glyph)
        elif place == "-" and rng.random() < 0.9:
            middle, thick = (top + bottom) / 2, rng.uniform(0.03, 0.07) * height
            inset = rng.uniform(0, 0.3) * cell * share
            ImageDraw.Draw(mask).rectangle((x + inset, middle - thick, x + cell * share - inset, middle + thick), 255)
        elif place == "*":
            size = cell * rng.uniform(0.3, 1.0) if emblem < 0.8 else cell * 1.8
            _blot(rng, pen, x + cell * share / 2, (top + bottom) / 2 + rng.uniform(-0.2, 0.2) * height, size)
        elif place == "s":
            small = typeface(LETTERING[rng.integers(len(LETTERING))], 0.3 * height)
            said = "".join(_character(rng, "X") for _ in range(2))
            across = rng.random() < 0.5
            pen.text(
                (x + cell * share / 2, (top + bottom) / 2), said if across else "\n".join(said), style.ink, small, "mm"
            )
        x += cell * share
    _inked(rng, image, mask, style)
    return text


def _inked(rng: np.random.Generator, image: Image.Image, mask: Image.Image, style: _Style) -> None:
    """The text in its ink, where it is pressed with a light and a dark rim."""
    if style.embossed:
        far = max(1, round(image.height * rng.uniform(0.01, 0.025)))
        turn = rng.uniform(0, 2 * np.pi)
        step = (round(far * np.cos(turn)), round(far * np.sin(turn)))
        rim = mask.filter(ImageFilter.MaxFilter(3))
        for sign, shade in ((1, 255), (-1, 0)):
            shifted = Image.new("L", mask.size)
            shifted.paste(rim, (sign * step[0], sign * step[1]))
            image.paste(Image.new("RGB", image.size, (shade,) * 3), mask=shifted.point(_times(style.embossed * 0.6)))
    worn = mask if rng.random() < 0.8 else mask.point(_times(rng.uniform(0.35, 0.9)))
    image.paste(Image.new("RGB", image.size, style.ink), mask=worn)


def _times(share: float) -> list[int]:
    return [round(level * share) for level in range(256)]


def _character(rng: np.random.Generator, place: str) -> str:
    if place == "9" or (place == "X" and rng.random() < 0.4):
        return _DIGITS[rng.integers(10)]
    return str(rng.choice(list(_LETTERS), p=_CHANCES / _CHANCES.sum()))


@lru_cache(maxsize=8192)
def _outline(character: str, die: str, stroke: int) -> tuple[Image.Image, float]:
    """The character up to its edges, and how wide it is beside the font's widest common one."""
    face = typeface(die, 240)
    large = Image.new("L", (420, 420))
    bolder = max(0, stroke)
    ImageDraw.Draw(large).text((90, 60), character, fill=255, font=face, stroke_width=bolder, stroke_fill=255)
    if stroke < 0:
        large = large.filter(ImageFilter.MinFilter(1 - 2 * stroke))
    box = large.getbbox()
    if box is None:  # worn away: a hairline font
        return _outline(character, die, 0)
    usual = max(face.getbbox(letter)[2] - face.getbbox(letter)[0] for letter in "HN08") + 2 * stroke
    return large.crop(box), (box[2] - box[0]) / usual


def _pressed(character: str, style: _Style, cell: tuple[float, float]) -> Image.Image:
    outline, share = _outline(character, style.die, style.stroke)
    width = cell[0] * style.narrow * min(share, 1.08)
    return outline.resize((max(1, round(width)), max(2, round(cell[1]))), Image.Resampling.LANCZOS)


def _lettered(
    rng: np.random.Generator, image: Image.Image, middle: tuple[float, float], size: float, style: _Style
) -> None:
    """A made-up name or slogan, in a row about a point."""
    words = []
    for _ in range(rng.integers(1, 4)):
        word = "".join(_character(rng, "A") for _ in range(rng.integers(3, 11)))
        words.append(word.title() if rng.random() < 0.5 else word)
    face = typeface(LETTERING[rng.integers(len(LETTERING))], size)
    said = " ".join(words)
    while face.getlength(said) > 0.9 * image.width and len(said) > 4:
        said = said[: len(said) * 4 // 5]
    colour = style.ink if rng.random() < 0.5 else style.accent
    ImageDraw.Draw(image).text(middle, said, colour, face, "mm")


def _stickers(rng: np.random.Generator, pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
    wide, high = rng.uniform(0.1, 0.17) * width, rng.uniform(0.12, 0.2) * height
    for x in (0.03 * width, 0.97 * width - wide):
        for y in (0.04 * height, 0.95 * height - high):
            if rng.random() < 0.4:
                pen.rectangle((x, y, x + wide, y + high), _colour(rng, 20, 256))
                said = "".join(_character(rng, "9") for _ in range(rng.integers(1, 3)))
                pen.text(
                    (x + wide / 2, y + high / 2), said, _colour(rng, 0, 256), typeface(DIES[0], 0.8 * high), "mm"
                )  # fmt: skip


def _bolts(rng: np.random.Generator, pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
    r, x, y = rng.uniform(0.015, 0.04) * height, rng.uniform(0.15, 0.25), rng.uniform(0.06, 0.1)
    shade = _colour(rng, 10, 230)
    for down in (y, 1 - y) if rng.random() < 0.5 else (y,):
        for across in (x, 1 - x):
            pen.ellipse((across * width - r, down * height - r, across * width + r, down * height + r), shade)


def _framed(rng: np.random.Generator, image: Image.Image, style: _Style, text: tuple[float, float]) -> Image.Image:
    """In a holder whose rim covers what is above and below the text, and reaches beyond the plate."""
    width, height = image.size
    beyond = round(rng.uniform(0, 0.08) * height)
    upper, lower = rng.uniform(0.02, text[0]) * height, rng.uniform(0.02, 1 - text[1]) * height
    sides = rng.uniform(0.005, 0.03) * width
    level = int(rng.integers(0, 60) if rng.random() < 0.6 else rng.integers(120, 250))
    held = Image.new("RGB", (width + 2 * beyond, height + 2 * beyond), (level, level, level))
    window = (round(sides), round(upper), round(width - sides), round(height - lower))
    held.paste(image.crop(window), (beyond + window[0], beyond + window[1]))
    shade = 255 if level < 128 else 0
    dealer = _Style(style.paper, (shade, shade, shade), (shade, shade, shade), style.die, 0, 1, 0)
    for thick, y in ((upper, beyond + upper / 2), (lower, held.height - beyond - lower / 2)):
        if thick > 0.1 * height and rng.random() < 0.8:
            _lettered(rng, held, (held.width / 2, y), 0.75 * thick, dealer)
    return held


def _blot(rng: np.random.Generator, pen: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    """A shape of one colour: a state's outline, a tree, a sun, a dot."""
    colour = _colour(rng, 0, 235)
    if rng.random() < 0.35:
        pen.ellipse((x - size / 2, y - size / 2, x + size / 2, y + size / 2), colour)
        return
    turns = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 12)))
    reach = rng.uniform(0.3, 1.0, len(turns)) * size / 2
    stretch = rng.uniform(0.6, 1.8)
    pen.polygon([(x + r * np.cos(a), y + r * np.sin(a) * stretch) for r, a in zip(reach, turns, strict=True)], colour)


def _colour(rng: np.random.Generator, least: int, below: int) -> Colour:
    red, green, blue = (int(level) for level in rng.integers(least, below, 3))
    return red, green, blue
