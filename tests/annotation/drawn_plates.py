"""Items for the tests of the label store, with answers as sure as a test wants them."""

from __future__ import annotations

import io

from PIL import Image

from vehicle_demo.annotation.items import NewItem
from vehicle_demo.recognition.results import Box, Character, PlateReading


def reading(text: str, least: float) -> PlateReading:
    """A reading whose first slot has the score `least`, all others 0.99."""
    scores = [least, *[0.99] * 7]
    slots = tuple(
        (Character(text[place : place + 1], score), Character("Q", (1 - score) / 2), Character("", (1 - score) / 3))
        for place, score in enumerate(scores)
    )
    return PlateReading(text, least * 0.93, None, tuple(slot[0] for slot in slots[: len(text)]), slots)


def picture(number: int) -> bytes:
    """A small PNG that differs for every number."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 32), (number % 256, number // 256, 90)).save(buffer, "PNG")
    return buffer.getvalue()


def new_item(number: int, text: str = "AB12CDE", least: float = 0.5, source: str = "drawn") -> NewItem:
    """A plate in the middle of a picture of its own."""
    corners = ((10.0, 8.0), (50.0, 9.0), (51.0, 24.0), (10.0, 23.0))
    read = reading(text, least) if text else None
    return NewItem(picture(number), corners, Box(2, 2, 60, 30), read, "nano 1", "built-in", source)
