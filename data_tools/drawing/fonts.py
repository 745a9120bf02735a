"""Free fonts that plates are drawn in: matplotlib's, and some of Debian's that look like the dies of plates."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

# Debian's packages with the fonts below that matplotlib does not bring.
PACKAGES = ("fonts-roadgeek", "fonts-opendin", "fonts-osifont", "fonts-routed-gothic", "fonts-bebas-neue")
# Characters of plates; those that look most like real ones stand here twice.
DIES = (
    "RG2014B.ttf", "RG2014C.ttf", "RG2014C.ttf", "RG2014D.ttf", "RG2014D.ttf", "RG2014E.ttf", "OSP-DIN.ttf",
    "OSP-DIN.ttf", "osifont.ttf", "routed-gothic.ttf", "routed-gothic.ttf", "routed-gothic-narrow.ttf",
    "BebasNeue-Bold.otf", "BebasNeue-Regular.otf", "DejaVuSans-Bold.ttf", "DejaVuSansMono-Bold.ttf",
)  # fmt: skip
# Names, slogans, stickers.
LETTERING = (
    "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSerif-Italic.ttf", "DejaVuSerif-BoldItalic.ttf",
    "STIXGeneralBol.ttf", "STIXGeneralItalic.ttf", "cmmi10.ttf", "RG2014D.ttf", "OSP-DIN.ttf", "BebasNeue-Bold.otf",
)  # fmt: skip
_INSTALLED = Path("/usr/share/fonts")


def typeface(name: str, size: float) -> ImageFont.FreeTypeFont:
    """A font of a file's name, its size rounded to pixels. Raises FileNotFoundError as `font_file` does."""
    return _opened(name, max(4, round(size)))


@lru_cache(maxsize=1024)
def _opened(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_file(name), size)


@lru_cache(maxsize=64)
def font_file(name: str) -> str:
    """Where a font's file lies: among matplotlib's, or installed.

    Raises:
        FileNotFoundError: it is not installed; the message names Debian's packages.
    """
    from matplotlib import get_data_path

    for found in (Path(get_data_path()) / "fonts/ttf" / name, *sorted(_INSTALLED.rglob(name))):
        if found.exists():
            return str(found)
    raise FileNotFoundError(
        f"The font {name}, which plates to learn from are drawn in, is not installed: "
        f"apt-get install {' '.join(PACKAGES)}"
    )
