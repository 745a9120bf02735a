"""Which layout of plates a text fits: a guess to filter by and a hint to show, never a rule that changes a text."""

from __future__ import annotations

import re

# A letter, 9 digit. Layouts that share a pattern share a line.
PATTERNS = {
    "AA99999": "cn green",
    "A9A999": "cn blue",
    "AA999AA": "eu or ar",
    "AA99AAA": "uk",
    "AAA9999": "us",
    "AAA9A99": "br",
    "AA9A9999": "in",
    "9999AAA": "es",
}
OTHER = "other"
LAYOUTS = (*PATTERNS.values(), OTHER)


def pattern_of(reading: str) -> str:
    """The text with A for each letter and 9 for each digit."""
    return re.sub(r"[0-9]", "9", re.sub(r"[A-Z]", "A", reading))


def layout_of(reading: str) -> str:
    """The layout of `LAYOUTS` that the text fits."""
    return PATTERNS.get(pattern_of(reading), OTHER)
