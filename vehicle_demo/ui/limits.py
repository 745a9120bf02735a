"""How much one visitor of a public app may ask for, so that there is something left for the others."""

from __future__ import annotations

import ipaddress
import math
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from vehicle_demo.ui.people import LOCAL, on_spaces, standing_of, unwrapped

_MOST_VISITORS = 10_000


class TooManyError(RuntimeError):
    """This visitor has asked for too much; the message is a sentence that says how long to wait."""


@dataclass
class Limit:
    """At most `most` of something in `within_s` seconds for each visitor. Safe to share between threads."""

    most: int
    within_s: float
    says: str
    clock: Callable[[], float] = time.monotonic
    _taken: dict[str, deque[float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def take(self, visitor: str) -> None:
        """Count one more. Raises TooManyError, and counts nothing, when it is one too many."""
        now = self.clock()
        with self._lock:
            taken = self._taken.setdefault(visitor, deque())
            while taken and taken[0] <= now - self.within_s:
                taken.popleft()
            if len(taken) >= self.most:
                wait = math.ceil(taken[0] + self.within_s - now)
                raise TooManyError(f"{self.says} Wait {_spoken(wait)}, then go on.")
            taken.append(now)
            if len(self._taken) > _MOST_VISITORS:
                self._forget(now)

    def _forget(self, now: float) -> None:
        self._taken = {who: taken for who, taken in self._taken.items() if taken and taken[-1] > now - self.within_s}


RECOGNITIONS = Limit(60, 60, "This demo is shared: each visitor has 60 pictures a minute.")
IMPORTS = Limit(10, 3600, "This demo is shared: each visitor may fill a gallery 10 times an hour.")
# Everywhere, public or not: guessing a password must take long.
SIGN_INS = Limit(10, 300, "Too many attempts to sign in.")


def public() -> bool:
    """Whether strangers use this app: VEHICLE_DEMO_PUBLIC says so by 1 or 0; without it, on Spaces they do."""
    return os.environ.get("VEHICLE_DEMO_PUBLIC", "1" if on_spaces() else "0") not in ("", "0")


def take_recognition(request: Any) -> None:
    """Count a picture that goes through the network, where the app is public. Raises TooManyError."""
    if public():
        RECOGNITIONS.take(visitor_of(request))


def take_import(request: Any) -> None:
    """Count an import of pictures, where the app is public. Raises TooManyError."""
    if public():
        IMPORTS.take(visitor_of(request))


def visitor_of(request: Any) -> str:
    """Whom to count a call for: who is signed in, else the address it came from."""
    standing = standing_of(request)
    if standing.name is not None and standing.name != LOCAL:
        return standing.name
    return address_of(unwrapped(request))


def address_of(request: Any) -> str:
    """The network address of a visitor, behind the proxies of Spaces too; empty where it cannot be known."""
    peer = request.client.host if request.client else ""
    if not on_spaces():
        return peer
    # Each proxy adds whom it heard from. What stands before that of theirs, a visitor may have made up.
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",")]
    return next((hop for hop in reversed(hops) if _global(hop)), peer)


def _global(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _spoken(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{math.ceil(seconds / 60)} minutes"
