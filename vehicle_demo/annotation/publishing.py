"""The data set of corrections at the Hub, or in a folder: what is exported, and a card that says what that is.

The same answers give the same card and the same files, so what has not changed is not sent again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from vehicle_demo.annotation.consensus import Agreement, agreement
from vehicle_demo.annotation.corrections import SPLITS, Correction, corrections, dataset_files, file_of_split
from vehicle_demo.annotation.items import PARTS
from vehicle_demo.annotation.remote import Remote
from vehicle_demo.annotation.store import Store

# What people usually choose for labels and pictures, as the Hub writes them; `other` is for what none of them says.
LICENCES: Final = (
    *("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
    *("odbl", "cdla-permissive-2.0", "other"),
)
CARD: Final = "README.md"
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]{1,40}")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_COLUMNS = (
    ("image", "the whole picture"),
    ("picture", "SHA-256 of its file, from which the split follows: a picture never moves to another"),
    ("box", "the vehicle, [x1, y1, x2, y2] in pixels of the upright picture"),
    ("type, make, model", "what people say it is; empty where nobody knows"),
    ("status", "`answer`, `unsure`, `bad picture` or `conflict`"),
    ("weight, people", "how certain that is, 0 to 1, and how many people said something"),
    ("predicted_type, predicted_make, predicted_model", "what the network took it for when people were asked"),
    ("source, checkpoint, heads_version", "where the picture came from, and which network predicted"),
    ("person, at", "who said last what holds, and when (UTC)"),
)


class PublishingError(ValueError):
    """The data set cannot be published so; the message is a sentence that says what to do."""


def publish(store: Store, names: Mapping[str, tuple[str, ...]], licence: str, remote: Remote) -> int:
    """Put the files of `write_dataset` and a card into the remote, in one step; how many vehicles there are now.

    What else is there, such as the shards of `sync`, stays, and is not loaded as part of the data set.

    Args:
        names: as for `write_dataset`.
        licence: under which others may use it, as the Hub writes it, for example `cc-by-4.0`.

    Raises:
        PublishingError: no licence is named, or there is nothing to publish.
        StoreError: the labels cannot be read, or a picture is gone.
        RemoteError: the other side cannot be used, or is public.
    """
    if not _LICENCE.fullmatch(licence):
        raise PublishingError("Name the licence as the Hub writes it, for example cc-by-4.0; `other` where none fits.")
    found = corrections(store)
    if not found:
        raise PublishingError("Nobody has said anything of a vehicle yet, so there is nothing to publish.")
    files: dict[str, bytes | None] = dict(dataset_files(store, found, names))
    files[CARD] = card(found, agreement(store), licence).encode()
    there = remote.files()
    gone = (name for split in SPLITS if (name := file_of_split(split)) in there and name not in files)
    remote.write({**files, **dict.fromkeys(gone)}, f"{len(found)} vehicles")
    return len(found)


def card(found: Sequence[Correction], agreed: Agreement, licence: str) -> str:
    """The data set's card: what the Hub must know as YAML, then counts, classes, agreement and columns in words."""
    from huggingface_hub import DatasetCardData

    splits = Counter(one.split for one in found)
    about = DatasetCardData(
        license=licence,
        pretty_name="Corrected vehicles",
        task_categories=["image-classification", "object-detection"],
        size_categories=next((size for most, size in _SIZES if len(found) < most), "n>1M"),
        tags=["vehicles", "vehicledino-studio"],
        configs=[
            {
                "config_name": "default",
                "data_files": [{"split": name, "path": file_of_split(name)} for name in SPLITS if splits[name]],
            }
        ],
    )
    pictures = len({one.item.picture for one in found})
    seen_by = sorted({f"{one.item.checkpoint}, heads {one.item.heads_version}" for one in found})
    return "\n".join(
        [
            f"---\n{about.to_yaml()}\n---",
            "# Corrected vehicles\n",
            f"{len(found):,} vehicles in {pictures:,} pictures, as people named them in the Review tab of VehicleDINO "
            "Studio, which writes this card.\n",
            "## Counts\n",
            _table(("split", "vehicles"), ((name, splits[name]) for name in SPLITS)),
            _table(("status", "vehicles"), _counted(one.agreed.status for one in found)),
            _table(("source", "vehicles"), _counted(one.item.source for one in found)),
            f"Predictions that people were asked about are those of {'; '.join(seen_by)}.\n",
            "## Classes\n",
            "How many vehicles have each name; names that no vehicle has are not listed.\n",
            *(_table((part, "vehicles"), _counted(one.agreed.names[part] for one in found)) for part in PARTS),
            "## Agreement\n",
            _in_words(agreed),
            "\n## Columns\n",
            _table(("column", "what it is"), _COLUMNS),
        ]
    )


def _counted(names: Iterable[str | None]) -> list[tuple[str, int]]:
    """Each name with how often it is there, the most frequent first."""
    counts = Counter(name for name in names if name)
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def _table(head: tuple[str, str], rows: Iterable[tuple[str, object]]) -> str:
    # What people and file names say must not end a cell.
    lines = (f"| {str(first).replace('|', '/')} | {second} |" for first, second in rows)
    return "\n".join([f"| {head[0]} | {head[1]} |", "| --- | --- |", *lines]) + "\n"


def _in_words(agreed: Agreement) -> str:
    kappa = ", ".join(f"{part} {value:.3f}" for part in PARTS if (value := agreed.kappa[part]) is not None)
    vehicles = "1 vehicle" if agreed.pairs == 1 else f"{agreed.pairs:,} vehicles"
    figures = f"Cohen's kappa: {kappa}." if kappa else "That is too little for Cohen's kappa."
    return f"Two people named {vehicles} without knowing of each other. {figures}\n"
