"""`python -m data_tools COMMAND ...`"""

from __future__ import annotations

import argparse
import importlib
import sys

COMMANDS = (
    "render", "draw_plates", "seal_readings", "train", "train_backbone", "train_system", "train_reader",
    "train_corners", "export", "calibrate", "evaluate", "compare", "card", "index", "measure_gallery",
    "replay_bank", "plate_bank", "retrain", "benchmark", "benchmark_gallery", "load_test",
    "benchmark_browser", "benchmark_tabs", "review", "users",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Run one command. A mistake of the user (a missing file, say) ends with its sentence, not a traceback."""
    parser = argparse.ArgumentParser(prog="python -m data_tools", description="Tools around VehicleDINO.")
    commands = parser.add_subparsers(dest="command", required=True)
    modules = {name.replace("_", "-"): importlib.import_module(f"data_tools.{name}") for name in COMMANDS}
    for name, module in modules.items():
        command = commands.add_parser(name, help=(module.__doc__ or "").strip().splitlines()[0])
        module.add_arguments(command)
    args = parser.parse_args(arguments)
    try:
        modules[args.command].run(args)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
