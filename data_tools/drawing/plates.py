"""Number plates with made-up texts of up to eight characters: eight styles for the fleet, any style to learn from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data_tools.drawing.fonts import DIES, font_file, typeface

_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_DIGITS = "0123456789"
_FONT = "DejaVuSans-Bold.ttf"
# The country's name in Arabic, its letters in their joined shapes and from left to right.
_WORD = "\ufeb2\ufee7\ufeee\ufe97"
# Widths that are not one cell.
_CELLS = {" ": 0.5, ".": 0.4, "-": 0.5, "*": 0.9, "T": 3.0}
_BETWEEN_LINES = 0.12


@dataclass(frozen=True)
class Layout:
    """One style.

    `pattern`: A letter, 9 digit, X either, space a gap, / a new line, T the word between the numbers of a Tunisian
    plate (which texts give as T). No characters of the text are # (a province sign), . (a dot), - (a dash) and
    * (an emblem).
    `size_mm`: width and height. `font`: a file's name, see `fonts`.
    """

    name: str
    size_mm: tuple[int, int]
    pattern: str
    paper: tuple[int, int, int]
    ink: tuple[int, int, int]
    band: str = ""
    paper_below: tuple[int, int, int] | None = None
    font: str = _FONT


LAYOUTS = (
    Layout("cn_green", (480, 140), "#A A99999", (236, 246, 238), (18, 22, 20), paper_below=(86, 190, 120)),
    Layout("cn_blue", (440, 140), "#A 9A999", (24, 72, 168), (245, 246, 248)),
    Layout("eu", (520, 112), "AA 999 AA", (242, 243, 240), (16, 16, 18), band="left"),
    Layout("uk", (520, 112), "AA99 AAA", (248, 206, 46), (16, 16, 18)),
    Layout("us", (305, 152), "AAA 9999", (236, 240, 246), (26, 42, 104), band="words", paper_below=(196, 214, 236)),
    Layout("br", (400, 130), "AAA9A99", (244, 244, 244), (14, 14, 16), band="top"),
    Layout("ar", (400, 130), "AA999AA", (244, 244, 244), (14, 14, 16), band="top"),
    Layout("in", (500, 120), "AA9 A 9999", (246, 246, 244), (14, 14, 16), band="hologram"),
)
_FONTS = (
    _FONT, "DejaVuSans.ttf", "DejaVuSansMono-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSerif-Bold.ttf",
    "STIXGeneralBol.ttf", "cmss10.ttf", *DIES,
)  # fmt: skip
_PATTERNS = (
    "#A.XXXXX", "#A.9999X", "#A.X9999", "#A.99999", "#AXXXXXX", "999T9999", "99T9999", "9T999", "999T99", "9999 AAA",
    "9999AAA", "AA 999 AA", "AA 999A", "AAA 999", "AAA9999", "AA 9999", "AA99 AAA", "AA9999AA", "999 AAA", "A 999 AA",
    "XXXX", "XXXXX", "XX XXXX", "XXX XXXX", "XXXXXXX", "XXXX XXXX", "XXXXXXXX", "AA9/999A", "AAA/9999", "#A/XXXXX",
    "A99/9999", "XXX/XXXX", "XX/XXXX",
)  # fmt: skip
# Those of North America: an emblem or a dash between groups, a state's name above.
_AMERICAN = (
    "XXX*XXX", "XXX*XXX", "AAA*9999", "AAA*999", "999*AAA", "AA9*A9A", "*AAA999", "AAA999*", "9*AAA999", "A99*99A",
    "XXX-XXX", "AAA-9999", "AAA-999", "999-AAA", "99-AA-99", "AAA 9999", "999 AAA", "AAA999", "9AAA999", "XXXXXXX",
)  # fmt: skip
_COLOURS = (
    ((244, 244, 240), (16, 16, 18)), ((244, 244, 240), (16, 16, 18)), ((246, 204, 40), (16, 16, 18)),
    ((24, 72, 168), (245, 246, 248)), ((24, 72, 168), (245, 246, 248)), ((14, 14, 16), (236, 236, 236)),
    ((14, 14, 16), (236, 236, 236)), ((236, 240, 246), (26, 42, 104)), ((240, 240, 236), (150, 24, 30)),
    ((160, 26, 34), (244, 244, 240)), ((120, 200, 150), (18, 22, 20)), ((236, 244, 238), (20, 90, 50)),
)  # fmt: skip
_FIRST = ("NORTH", "GRAND", "WEST", "SILVER", "GREEN", "PINE", "STONE", "HIGH", "BLUE", "CLEAR")
_SECOND = ("LAKES", "RIVER", "COAST", "PLAINS", "VALLEY", "HARBOR", "MESA", "WOODS", "ISLANDS", "SUMMIT")
_BY_NAME = {layout.name: layout for layout in LAYOUTS}


@dataclass(frozen=True)
class Plate:
    """One plate: the style's name and the text without gaps and signs."""

    layout: str
    text: str

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in m."""
        width, height = _BY_NAME[self.layout].size_mm
        return width / 1000, height / 1000


def make_up(rng: np.random.Generator, layout: str | None = None) -> Plate:
    """A plate with a random text, of a random style unless one is named. Raises KeyError for an unknown style."""
    chosen = _BY_NAME[layout] if layout else LAYOUTS[rng.integers(len(LAYOUTS))]
    return Plate(chosen.name, random_text(rng, chosen.pattern))


def random_text(rng: np.random.Generator, pattern: str, letters: str = _LETTERS) -> str:
    """A text that a pattern of `Layout` allows; of its letters, I, O and Q are left out unless they are given."""
    drawn = {"A": letters, "9": _DIGITS, "X": letters + _DIGITS, "T": "T"}
    return "".join(drawn[place][rng.integers(len(drawn[place]))] for place in pattern if place in drawn)


def random_layout(rng: np.random.Generator) -> Layout:
    """A style to learn reading from: one of the fleet's in another font, or one made up whole."""
    font = _FONTS[rng.integers(len(_FONTS))]
    if rng.random() < 0.35:
        return replace(LAYOUTS[rng.integers(len(LAYOUTS))], font=font)
    if rng.random() < 0.4:
        return _american(rng, font)
    pattern = _PATTERNS[rng.integers(len(_PATTERNS))]
    paper, ink = _COLOURS[rng.integers(len(_COLOURS))]
    shape = rng.uniform(1.3, 2.2) if "/" in pattern else rng.uniform(2.6, 5.0)
    band = ("", "", "left", "top")[rng.integers(4)]
    return Layout("any", (round(112 * shape), 112), pattern, paper, ink, band=band, font=font)


def _american(rng: np.random.Generator, font: str) -> Layout:
    pattern = _AMERICAN[rng.integers(len(_AMERICAN))]
    paper, ink, below = (_colour(rng, *bounds) for bounds in ((215, 256), (0, 120), (120, 256)))
    tinted = below if rng.random() < 0.6 else None
    width, band = round(112 * rng.uniform(1.9, 2.3)), ("words", "slogan")[rng.integers(2)]
    return Layout("any", (width, 112), pattern, paper, ink, band=band, paper_below=tinted, font=font)


def _colour(rng: np.random.Generator, least: int, below: int) -> tuple[int, int, int]:
    red, green, blue = (int(level) for level in rng.integers(least, below, 3))
    return red, green, blue


def draw(plate: Plate, height: int = 128) -> Image.Image:
    """The plate as an RGB picture of that height in pixels."""
    return draw_text(_BY_NAME[plate.layout], plate.text, height)


def draw_text(layout: Layout, text: str, height: int) -> Image.Image:
    """A plate of any style with a text that its pattern allows, as an RGB picture of that height in pixels."""
    width = round(height * layout.size_mm[0] / layout.size_mm[1])
    image = Image.new("RGB", (width, height), layout.paper)
    pen = ImageDraw.Draw(image)
    if layout.paper_below is not None:
        for row in range(height):
            share = row / height
            mixed = tuple(round(a + (b - a) * share) for a, b in zip(layout.paper, layout.paper_below, strict=True))
            pen.line((0, row, width, row), fill=mixed)
    left, right, top, bottom = 0.05 * height, width - 0.05 * height, 0.14 * height, 0.90 * height
    blue = (20, 62, 150)
    if layout.band == "left":
        pen.rectangle((0, 0, 0.38 * height, height), fill=blue)
        for index in range(8):
            turn = 2 * np.pi * index / 8
            x, y = 0.19 * height + 0.1 * height * np.cos(turn), 0.32 * height + 0.1 * height * np.sin(turn)
            pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(250, 214, 60))
        left += 0.40 * height
    elif layout.band == "top":
        pen.rectangle((0, 0, width, 0.22 * height), fill=blue)
        pen.text(
            (width / 2, 0.11 * height),
            "MERCATO",
            fill=(240, 240, 245),
            font=typeface(_FONT, 0.16 * height),
            anchor="mm",
        )
        top = 0.28 * height
    elif layout.band == "words":
        pen.text(
            (width / 2, 0.12 * height),
            "NORTH LAKES",
            fill=(150, 30, 40),
            font=typeface(_FONT, 0.14 * height),
            anchor="mm",
        )
        top, bottom = 0.24 * height, 0.88 * height
    elif layout.band == "slogan":
        over, under = _words(text)
        pen.text((width / 2, 0.14 * height), over, fill=layout.ink, font=typeface(_FONT, 0.17 * height), anchor="mm")
        pen.text((width / 2, 0.88 * height), under, fill=layout.ink, font=typeface(_FONT, 0.12 * height), anchor="mm")
        top, bottom = 0.27 * height, 0.77 * height
    elif layout.band == "hologram":
        pen.ellipse((0.08 * height, 0.3 * height, 0.22 * height, 0.44 * height), fill=(150, 160, 190))
        left += 0.22 * height
    pen.rounded_rectangle(
        (2, 2, width - 3, height - 3), radius=height // 12, outline=layout.ink, width=max(2, height // 40)
    )
    _write(image, pen, layout, text, (left, top, right, bottom))
    for x in (0.22, 0.78):
        r = 0.022 * height
        pen.ellipse((x * width - r, 0.07 * height - r, x * width + r, 0.07 * height + r), fill=(120, 120, 120))
    return image


def _write(
    image: Image.Image, pen: ImageDraw.ImageDraw, layout: Layout, text: str, area: tuple[float, float, float, float]
) -> None:
    """Characters are stretched to cells of one width, as pressed ones are; a gap is half a cell, the word three."""
    left, top, right, bottom = area
    letters = iter(text)
    lines = layout.pattern.split("/")
    height = (bottom - top) / (len(lines) + _BETWEEN_LINES * (len(lines) - 1))
    for number, line in enumerate(lines):
        upper = top + number * height * (1 + _BETWEEN_LINES)
        cell = (right - left) / sum(_CELLS.get(place, 1.0) for place in line)
        x = left
        for place in line:
            wide = _CELLS.get(place, 1.0) * cell
            if place == "#":
                _sign(pen, (x + 0.12 * cell, upper, x + 0.88 * cell, upper + height), layout.ink)
            elif place == ".":
                middle, r = (x + wide / 2, upper + height / 2), 0.06 * height
                pen.ellipse((middle[0] - r, middle[1] - r, middle[0] + r, middle[1] + r), fill=layout.ink)
            elif place == "-":
                middle_height, half = upper + height / 2, 0.05 * height
                pen.rectangle((x, middle_height - half, x + wide, middle_height + half), fill=layout.ink)
            elif place == "*":
                _emblem(pen, (x, upper, x + wide, upper + height), text)
            elif place != " ":
                character = next(letters)
                outline = _word() if place == "T" else _outline(character, layout.font)
                glyph = _glyph(outline, (round(0.80 * wide), round(height)))
                image.paste(Image.new("RGB", glyph.size, layout.ink), (round(x + 0.10 * wide), round(upper)), glyph)
            x += wide


@lru_cache(maxsize=512)
def _outline(character: str, font: str) -> Image.Image:
    large = Image.new("L", (400, 400))
    ImageDraw.Draw(large).text((60, 20), character, fill=255, font=typeface(font, 280))
    return large.crop(large.getbbox())


@lru_cache(maxsize=1)
def _word() -> Image.Image:
    # Not shaped by a library, which would turn round what is in its order already.
    font = ImageFont.truetype(font_file(_FONT), 280, layout_engine=ImageFont.Layout.BASIC)
    large = Image.new("L", (1400, 500))
    ImageDraw.Draw(large).text((60, 20), _WORD, fill=255, font=font)
    return large.crop(large.getbbox())


def _glyph(tight: Image.Image, size: tuple[int, int]) -> Image.Image:
    # Narrow characters keep their width.
    width = max(1, round(size[0] * min(1.0, 0.25 + 0.9 * tight.width / tight.height)))
    placed = Image.new("L", size)
    placed.paste(tight.resize((width, size[1]), Image.Resampling.LANCZOS), ((size[0] - width) // 2, 0))
    return placed


def _sign(pen: ImageDraw.ImageDraw, area: tuple[float, float, float, float], ink: tuple[int, int, int]) -> None:
    """A made-up province sign."""
    left, top, right, bottom = area
    width = max(2, round((right - left) / 8))
    middle, half = (left + right) / 2, (top + bottom) / 2
    for line in (
        (left, top + 0.12 * (bottom - top), right, top + 0.12 * (bottom - top)),
        (left, half, right, half),
        (middle, top, middle, bottom),
        (left, bottom, middle, half),
        (right, bottom, middle, half),
    ):
        pen.line(line, fill=ink, width=width)


def _words(text: str) -> tuple[str, str]:
    """A made-up state's name and slogan, which follow from the plate's text."""
    rng = _follows_from(text)
    return f"{rng.choice(_FIRST)} {rng.choice(_SECOND)}", f"{rng.choice(_SECOND)} OF {rng.choice(_FIRST)}"


def _follows_from(text: str) -> np.random.Generator:
    return np.random.default_rng(list(text.encode()))


def _emblem(pen: ImageDraw.ImageDraw, area: tuple[float, float, float, float], text: str) -> None:
    """A blot of a shape and colour that follow from the plate's text: a state's outline, a tree, a sun."""
    left, top, right, bottom = area
    rng = _follows_from(text)
    turns = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 10)))
    reach = rng.uniform(0.35, 1.0, len(turns))
    half_width, half_height = (right - left) / 2 * rng.uniform(0.7, 1.1), (bottom - top) / 2 * rng.uniform(0.4, 0.8)
    xs, ys = np.cos(turns) * reach * half_width, np.sin(turns) * reach * half_height
    middle, half = (left + right) / 2, (top + bottom) / 2
    pen.polygon([(middle + x, half + y) for x, y in zip(xs, ys, strict=True)], fill=_colour(rng, 0, 220))
