"""Where everything that a person makes is kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """The folder that VEHICLE_DEMO_HOME names, else the user's data folder; it need not be there yet."""
    named = os.environ.get("VEHICLE_DEMO_HOME")
    return Path(named) if named else Path(platformdirs.user_data_dir("vehicle-demo"))
