"""Plate characters: the network's 8 x 37 logits -> text with a confidence for each character."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vehicle_demo.recognition.results import Box, Character, PlateReading

SLOTS = 8
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BLANK = len(ALPHABET)
# What each column of the logits says, a blank last.
CHARACTERS = (*ALPHABET, "")
# Alternatives kept for each slot.
_KEPT = 3


def surest(views: Sequence[np.ndarray]) -> np.ndarray:
    """Of several views of one plate, each logits (8, 37), those that `read_slots` gives the highest score."""
    stacked = np.stack(views)
    best = stacked.max(axis=2)
    sureness = -np.log(np.exp(stacked - best[..., None]).sum(axis=2)).sum(axis=1)
    return np.asarray(stacked[sureness.argmax()])


def read_slots(logits: np.ndarray, box: Box | None) -> PlateReading | None:
    """Decode the slots of one plate.

    Args:
        logits: (8, 37) float32; columns 0-9, A-Z, blank.
        box: where the plate is, in pixels of the picture; None when only the vehicle is known.

    Returns:
        The text of the slots that are not blank, and as its score the product of the best probabilities of all slots,
        blanks included: how likely it is that nothing was misread, were the slots independent. None when all are blank.
    """
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    best = probabilities.argmax(axis=1)
    scores = probabilities.max(axis=1)
    characters = tuple(
        Character(ALPHABET[index], float(score)) for index, score in zip(best, scores, strict=True) if index != BLANK
    )
    if not characters:
        return None
    ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :_KEPT]
    slots = tuple(
        tuple(Character(CHARACTERS[index], float(row[index])) for index in best)
        for row, best in zip(probabilities, ranked, strict=True)
    )
    return PlateReading("".join(c.character for c in characters), float(scores.prod()), box, characters, slots)


def plate_slots(text: str | None) -> list[int]:
    """Characters from the left, then blanks; -1 where a publisher has greyed one out or none is known."""
    if text is None:
        return [-1] * SLOTS
    read = [ALPHABET.find(character) if character.isalnum() else -1 for character in text[:SLOTS].upper()]
    return read + [BLANK] * (SLOTS - len(read))
