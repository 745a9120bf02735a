"""What we have read by eye on plates of photos, kept so that only who has the photo can read it.

Number plates are personal data: their texts are not published with the project, nor which photo a line belongs to.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from vehicle_demo.recognition.plates import ALPHABET, SLOTS

READINGS_FILE = Path(__file__).parent / "readings.txt"
_CHARACTERS = ALPHABET + "- "


class Readings:
    """A file's readings. Each line has two times eight bytes in hexadecimal: which plate, and its sealed characters."""

    def __init__(self, file: Path) -> None:
        """Raises ValueError for a line that is none of these."""
        lines = [line.split() for line in file.read_text().splitlines()]
        if any([len(part) for part in line] != [16, 16] for line in lines):
            raise ValueError(f"{file} is damaged: every line has two numbers of 16 hexadecimal digits.")
        self._sealed = {plate: bytes.fromhex(sealed) for plate, sealed in lines}

    def text_of(self, photo: bytes, box: int) -> str | None:
        """What the plate in a photo's box says, "-" for a character that cannot be told.

        None where nobody has looked, "" where one cannot read it.
        """
        plate, mask = _keys(photo, box)
        if plate not in self._sealed:
            return None
        opened = bytes(a ^ b for a, b in zip(self._sealed[plate], mask, strict=True))
        return "".join(_CHARACTERS[number] for number in opened).strip()


def sealed(photo: bytes, box: int, text: str) -> str:
    """One line of such a file.

    Args:
        photo: the encoded picture.
        box: which of its boxes, from 0.
        text: up to eight of A-Z, 0-9 and "-" for a character that cannot be told; "" for a plate that cannot be read.

    Raises:
        ValueError: the text is too long or has other characters.
    """
    if len(text) > SLOTS or not set(text) <= set(ALPHABET + "-"):
        raise ValueError(f"{text!r} is no reading: write up to {SLOTS} of A-Z, 0-9 and - for what you cannot tell.")
    plate, mask = _keys(photo, box)
    numbers = [_CHARACTERS.index(character) for character in text.ljust(SLOTS)]
    return f"{plate} {bytes(a ^ b for a, b in zip(numbers, mask, strict=True)).hex()}"


def _keys(photo: bytes, box: int) -> tuple[str, bytes]:
    """The plate's number in a file, and what its characters are masked with."""
    digest = hashlib.sha256(box.to_bytes(4, "little") + photo).digest()
    return digest[:8].hex(), digest[8:16]
