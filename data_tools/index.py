"""Fill a gallery of the app from a folder, a .zip or .parquet file, or a dataset on the Hub."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vehicle_demo.recognition import Recognizer
    from vehicle_demo.ui.galleries import Galleries


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools index`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--source", help="a folder, a .zip or .parquet file, or owner/name on the Hub")
    what.add_argument("--again", action="store_true", help="what an earlier checkpoint filled the gallery with")
    parser.add_argument("--gallery", required=True, help="its name in the app; made where there is none yet")
    parser.add_argument("--split", help="only these rows of a table; of a Hub dataset the split's name")
    add_app_arguments(parser)


def add_app_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of every command that opens the app's galleries; see `opened`."""
    parser.add_argument("--checkpoint", help="by default the app's: VEHICLE_DEMO_CHECKPOINT, else the shipped one")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "int8"))
    parser.add_argument("--home", type=Path, help="by default VEHICLE_DEMO_HOME, else the user's data folder")


def opened(args: argparse.Namespace) -> tuple[Galleries, Recognizer]:
    """The app's galleries, and the checkpoint to use with them. Raises CheckpointError when it cannot be loaded."""
    from vehicle_demo.recognition import Recognizer
    from vehicle_demo.ui.services import find_services

    services = find_services(home=args.home)
    if args.checkpoint:
        return services.galleries, Recognizer.from_checkpoint(args.checkpoint, args.precision)
    return services.galleries, services.recognizer()


def run(args: argparse.Namespace) -> None:
    """Add what is new, with a bar; stopped or killed, it goes on where it was.

    Raises:
        GalleryError: the source or the gallery cannot be used.
        CheckpointError: the checkpoint cannot be loaded.
    """
    from tqdm import tqdm

    from vehicle_demo.gallery.sources import open_source

    galleries, recognizer = opened(args)
    progress = None
    if args.again:
        steps = galleries.rebuild(recognizer, args.gallery)
    else:
        steps = galleries.fill(recognizer, args.gallery, open_source(args.source, args.split))
    with tqdm(unit=" vehicles" if args.again else " pictures") as bar:
        for progress in steps:
            bar.total = progress.total
            bar.update(progress.done - bar.n)
    if progress is None:
        raise ValueError(f"There are no pictures in {args.source}.")
    for name, reason in progress.bad:
        print(f"passed over {name}: {reason}")
    known = f", {progress.known} were there already" if progress.known else ""
    seen = "vehicles" if args.again else "pictures"
    print(f"{progress.done} {seen}: {progress.added} vehicles added to {args.gallery}{known}")
