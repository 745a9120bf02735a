"""What a picture shows, on each level that names have."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from data_tools.readers.picture import Picture
from vehicle_demo.recognition.names import line_of, year_of

# None where it is not known.
LEVELS: Mapping[str, Callable[[Picture], str | None]] = {
    "make": lambda picture: picture.make,
    "type": lambda picture: picture.type,
    "model": lambda picture: picture.model and line_of(picture.model),
    "year": lambda picture: picture.model and (year_of(picture.model) or "any"),
    "name": lambda picture: picture.model,
    "vehicle": lambda picture: f"{picture.source} {picture.vehicle_id}" if picture.vehicle_id else picture.model,
}
