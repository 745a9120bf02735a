"""Frozen settings from plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

_T = TypeVar("_T")


def settings_from(kind: type[_T], values: Mapping[str, Any]) -> _T:
    """A frozen dataclass from what `dataclasses.asdict` gives, or JSON or TOML hold; lists become tuples.

    Raises:
        ValueError: a key is no field.
    """
    unknown = sorted(set(values) - {field.name for field in fields(kind)})  # type: ignore[arg-type]
    if unknown:
        raise ValueError(f"Unknown settings in {kind.__name__}: {', '.join(unknown)}.")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
