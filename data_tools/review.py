"""Put vehicles of a folder, a .zip or .parquet file into the app's review queue; or give out what people said."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vehicle_demo.ui.services import Services


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools review`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--source", help="a folder, a .zip or .parquet file, or owner/name on the Hub")
    what.add_argument("--export", type=Path, help="write the corrections data set into this folder")
    what.add_argument("--publish", metavar="PLACE", help="push it, with a card, to owner/name or a folder")
    parser.add_argument("--licence", default="", help="with --publish: as the Hub writes it, for example cc-by-4.0")
    parser.add_argument("--split", help="only these rows of a table; of a Hub dataset the split's name")
    parser.add_argument("--all", action="store_true", help="also vehicles that the model is sure of")
    parser.add_argument("--home", type=Path, help="by default VEHICLE_DEMO_HOME, else the user's data folder")


def run(args: argparse.Namespace) -> None:
    """Add what is new, with a bar; stopped or killed, it goes on where it was. Or export, or publish.

    Raises:
        GalleryError: the source cannot be used.
        CheckpointError: the checkpoint cannot be loaded.
        ValueError: the labels cannot be read, written or published.
    """
    from vehicle_demo.annotation.remote import RemoteError
    from vehicle_demo.annotation.store import StoreError
    from vehicle_demo.ui.services import find_services

    services = find_services(home=args.home)
    try:
        if args.publish:
            rows = services.labels.publish(services.recognizer(), args.licence, args.publish)
            print(f"{rows} vehicles published: datasets.load_dataset({args.publish!r})")
        elif args.export:
            rows = services.labels.write_corrections(services.recognizer(), args.export)
            print(f"{rows} vehicles written to {args.export}: datasets.load_dataset({str(args.export)!r})")
        else:
            _take_in(services, args)
    except (StoreError, RemoteError) as error:
        raise ValueError(str(error)) from error


def _take_in(services: Services, args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from vehicle_demo.gallery.building import Progress
    from vehicle_demo.gallery.sources import open_source
    from vehicle_demo.ui.importing import take_in

    recognizer = services.recognizer()
    source = open_source(args.source, args.split)
    progress = Progress(source.total)
    with tqdm(total=source.total, unit=" pictures") as bar:
        gallery = services.galleries.gallery(recognizer)
        for progress in take_in(services.labels, recognizer, gallery, source, args.all):
            bar.update(progress.done - bar.n)
    for name, reason in progress.bad:
        print(f"passed over {name}: {reason}")
    known = f", {progress.known} were there already" if progress.known else ""
    print(f"{progress.done} pictures: {progress.added} vehicles added to the queue{known}")
