"""What a model's name says of make and body type, in names as those of Stanford Cars: `Audi TT Hatchback 2011`."""

from __future__ import annotations

from vehicle_demo.recognition.checkpoint import Labels

_MAKES = ("AM General", "Aston Martin", "Land Rover")
_BODIES = {
    "Convertible": "convertible", "Coupe": "coupe", "Hatchback": "hatchback", "Minivan": "minivan", "SUV": "suv",
    "Sedan": "sedan", "Van": "van", "Wagon": "wagon", "Cab": "pickup", "SuperCab": "pickup",
}  # fmt: skip
# Names that do not say which body they have.
_TYPES = {
    "Acura TL Type-S 2008": "sedan",
    "Acura Integra Type R 2001": "coupe",
    "Buick Regal GS 2012": "sedan",
    "Chevrolet Corvette ZR1 2012": "coupe",
    "Chevrolet Corvette Ron Fellows Edition Z06 2007": "coupe",
    "Chevrolet HHR SS 2010": "wagon",
    "Chevrolet Cobalt SS 2010": "coupe",
    "Chevrolet TrailBlazer SS 2009": "suv",
    "Chrysler 300 SRT-8 2010": "sedan",
    "Dodge Challenger SRT8 2011": "coupe",
    "Dodge Charger SRT-8 2009": "sedan",
    "FIAT 500 Abarth 2012": "hatchback",
    "Infiniti G Coupe IPL 2012": "coupe",
    "Jaguar XK XKR 2012": "coupe",
    "Lamborghini Gallardo LP 570-4 Superleggera 2012": "coupe",
}


def make_of(name: str) -> str:
    """The make in a class name."""
    return next((make for make in _MAKES if name.startswith(make + " ")), name.split()[0])


def type_of(name: str) -> str | None:
    """The body type in a class name, which the word before the year says, or is known for the few that say none."""
    return _TYPES.get(name) or _BODIES.get(" ".join(name.split()[-2:-1]))


def year_of(name: str) -> str:
    """The year that ends a class name; empty where none does."""
    last = name.split()[-1]
    return last if last.isdigit() and len(last) == 4 else ""


def line_of(name: str) -> str:
    """A class name without make, body and year, what the maker calls the model: `TT` of `Audi TT Hatchback 2011`."""
    words = name.removeprefix(make_of(name)).removesuffix(year_of(name)).split()
    return " ".join(words[:-1] if len(words) > 1 and words[-1] in _BODIES else words)


def implied(model: str, labels: Labels) -> dict[str, str | None]:
    """The `type` and `make` among a checkpoint's labels that a model's name settles; None where it settles none."""
    type_ = type_of(model)
    # Of makes that begin alike the longest.
    make = max((name for name in labels.makes if model.startswith(f"{name} ")), key=len, default=None)
    return {"type": type_ if type_ in labels.types else None, "make": make}
