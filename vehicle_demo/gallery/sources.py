"""Where a gallery's pictures come from: a folder, a zip file, a parquet file or a dataset on the Hub."""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import numpy as np

from vehicle_demo.gallery.storage import GalleryError
from vehicle_demo.recognition.images import MAX_BYTES

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".avif"})
# Columns of a table, and the field of a gallery's item that each one tells.
_TOLD = {
    "vehicle_id": "vehicle_id",
    "camera_id": "camera",
    "camera": "camera",
    "time": "time",
    "type": "type",
    "make": "make",
    "model": "model",
    "colour": "colour",
    "plate_text": "plate",
    "source": "source",
}
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Entry:
    """One picture to add: its name to people, how to read its file, and what its source tells of the vehicle in it."""

    name: str
    read: Callable[[], bytes]
    told: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Pictures to add. `single`: each shows one vehicle that fills it. `total` is None where nobody knows."""

    name: str
    single: bool
    total: int | None
    entries: Callable[[], Iterator[Entry]]


def open_source(place: str | Path, split: str | None = None) -> Source:
    """A folder (with folders in it), a .zip file, a .parquet file with a column `image`, or `owner/name` on the Hub.

    Pictures of a table that has a column `vehicle_id` are taken as crops of one vehicle. `split` keeps those rows of a
    table whose column `split` says so; of a Hub dataset it names the split.

    Raises:
        GalleryError: there is nothing of the kind, or it has no pictures.
    """
    path = Path(place)
    if path.is_dir():
        return _folder(path)
    if path.is_file() and path.suffix.lower() == ".zip":
        return _archive(path)
    if path.is_file() and path.suffix.lower() == ".parquet":
        return _table(path, split)
    if _HUB_ID.fullmatch(str(place)):
        return open_hub_dataset(str(place), split or "train")
    raise GalleryError(f"{place} is neither a folder, a .zip or .parquet file, nor a Hub dataset as owner/name.")


def open_files(paths: Sequence[Path]) -> list[Source]:
    """Uploaded files: every .zip and .parquet file as a source of its own, all pictures together as one more.

    Raises:
        GalleryError: a file is none of these, or cannot be read.
    """
    packed = [path for path in paths if path.suffix.lower() in (".zip", ".parquet")]
    pictures = [path for path in paths if path.suffix.lower() in SUFFIXES]
    for path in paths:
        if path not in packed and path not in pictures:
            raise GalleryError(f"{path.name} is neither a picture nor a .zip or .parquet file.")
    sources = [_archive(path) if path.suffix.lower() == ".zip" else _table(path, None) for path in packed]
    return [*sources, _pictures("upload", {path.name: path for path in pictures})] if pictures else sources


def open_hub_dataset(name: str, split: str = "train") -> Source:
    """A dataset on the Hub as `owner/name`, read as it streams in; never a folder of this machine.

    Raises:
        GalleryError: the name is none, or there is no such dataset, or it has no pictures.
    """
    # The library would take a folder of that name for the dataset.
    if not _HUB_ID.fullmatch(name) or Path(name).exists():
        raise GalleryError(f"{name} is not the name of a Hub dataset. It reads owner/name.")
    return _hub_dataset(name, split)


def _folder(path: Path) -> Source:
    files = sorted(file for file in path.rglob("*") if file.is_file() and _is_picture(file))
    if not files:
        raise GalleryError(f"There are no pictures in {path}.")
    return _pictures(path.name, {str(file.relative_to(path)): file for file in files})


def _is_picture(path: PurePath) -> bool:
    # macOS puts a file of its own beside each picture, named as that with `._` before it.
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._")


def _pictures(name: str, files: Mapping[str, Path]) -> Source:
    def entries() -> Iterator[Entry]:
        for shown, file in files.items():
            yield Entry(shown, file.read_bytes, {"source": name})

    return Source(name, False, len(files), entries)


def _archive(path: Path) -> Source:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member.filename for member in archive.infolist() if not member.is_dir()]
    except zipfile.BadZipFile as error:
        raise GalleryError(f"{path.name} is not a zip file that can be read. Pack it again.") from error
    names = sorted(name for name in members if _is_picture(PurePosixPath(name)))
    if not names:
        raise GalleryError(f"There are no pictures in {path.name}.")

    def entries() -> Iterator[Entry]:
        archive = zipfile.ZipFile(path)  # open for as long as an entry may be read
        for name in names:
            yield Entry(name, partial(_member, archive, name), {"source": path.stem})

    return Source(path.stem, False, len(names), entries)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    # Before it is unpacked: a few kilobytes can hold gigabytes.
    if archive.getinfo(name).file_size > MAX_BYTES:
        raise OSError(f"It is larger than {MAX_BYTES // 2**20} MB. Save it smaller.")
    try:
        return archive.read(name)
    # A wrong checksum, a stream that is cut, a password.
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
        raise OSError(f"It is damaged in the zip file, or locked: {error}") from error


def _table(path: Path, split: str | None) -> Source:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise GalleryError(f"{path.name} is not a parquet file that can be read.") from error
    columns = set(file.schema_arrow.names)
    if "image" not in columns:
        raise GalleryError(f"{path.name} has no column `image`; it has {', '.join(sorted(columns))}.")
    wanted = [name for name in ("image", "split", *_TOLD) if name in columns]
    if split is None or "split" not in columns:
        rows = np.arange(file.metadata.num_rows)
    else:
        rows = np.flatnonzero(np.array(pq.read_table(path, columns=["split"])["split"].to_pylist()) == split)
    chosen = set(rows.tolist())
    if not chosen:
        raise GalleryError(f"{path.name} has no rows{f' of the split {split}' if split else ''}.")

    def entries() -> Iterator[Entry]:
        number = 0
        for batch in pq.ParquetFile(path).iter_batches(batch_size=64, columns=wanted):
            for row in batch.to_pylist():
                if number in chosen:
                    yield _entry(row, f"row {number}", path.stem)
                number += 1

    return Source(path.stem, "vehicle_id" in columns, len(chosen), entries)


def _hub_dataset(name: str, split: str) -> Source:
    # Takes seconds to import; most galleries come from files.
    import datasets

    try:
        rows: Any = datasets.load_dataset(name, split=split, streaming=True)
        if "image" not in (rows.column_names or ()):
            raise GalleryError(f"The dataset {name} has no column `image`.")
        rows = rows.cast_column("image", datasets.Image(decode=False))
    # Not found, private, no such split, no network: each has its own exception, by version of the library.
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, GalleryError):
            raise
        raise GalleryError(f"The dataset {name} could not be opened: {error}") from error

    def entries() -> Iterator[Entry]:
        for number, row in enumerate(rows):
            yield _entry(row, f"row {number}", name)

    return Source(name, "vehicle_id" in rows.column_names, None, entries)


def _entry(row: Mapping[str, Any], name: str, source: str) -> Entry:
    told = {"source": source}
    told |= {item: str(row[column]) for column, item in _TOLD.items() if row.get(column) not in (None, "")}
    # A column of the kind that the Hub's pictures have, or plain bytes.
    image = row["image"] if isinstance(row["image"], Mapping) else {"bytes": row["image"]}
    return Entry(str(image.get("path") or name), lambda: image.get("bytes") or b"", told)
