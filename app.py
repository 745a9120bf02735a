"""VehicleDINO Studio: `python app.py` serves it on 127.0.0.1:7860."""

from __future__ import annotations

import os
import signal
import sys

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from vehicle_demo.ui import rescoring, shell
from vehicle_demo.ui.services import find_services


def main() -> None:
    """Build the page and serve it until interrupted. GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where."""
    # Hosts stop an app so; ended in order, it first sends what is left to sync.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    services = find_services()
    services.labels.start_sync()
    services.labels.fill_sample(services.recognizer())
    rescoring.start(services)
    shell.build(services).launch(**shell.launch_options(services))


if __name__ == "__main__":
    main()
