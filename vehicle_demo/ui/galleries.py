"""The galleries that the tabs share: opened once for each checkpoint, the sample filled in the background."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock, Thread

from vehicle_demo.gallery import mapping
from vehicle_demo.gallery.building import Progress, build, rebuild
from vehicle_demo.gallery.gallery import Gallery, GalleryError
from vehicle_demo.gallery.sources import Source, open_source
from vehicle_demo.gallery.storage import GalleryKeepingError, Storage, filled_by
from vehicle_demo.recognition import Recognizer

SAMPLE = "sample"
_NAME = re.compile(r"[\w-]{1,40}")


@dataclass(frozen=True)
class Filling:
    """The last that is known of a gallery's filling; `failure` says why one in the background broke off."""

    progress: Progress
    running: bool = True
    failure: str = ""


@dataclass
class Galleries:
    """`folder` holds a folder for each gallery, and in it one for each checkpoint that filled it.

    Safe to share between threads. `sample` is the parquet file of the gallery that ships.
    """

    folder: Path
    sample: Path
    _filling: dict[tuple[str, str], Filling] = field(default_factory=dict)
    _open: dict[tuple[str, str], Gallery] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def names(self) -> list[str]:
        """Every gallery there is, the sample first."""
        found = sorted(path.name for path in self.folder.glob("*") if path.is_dir() and path.name != SAMPLE)
        return [SAMPLE, *found]

    def gallery(self, recognizer: Recognizer, name: str = SAMPLE) -> Gallery:
        """The gallery of that name for this checkpoint; empty when nothing has been added with it yet.

        Raises:
            GalleryError: the name is no plain word, or the folder cannot be used.
        """
        if not _NAME.fullmatch(name):
            raise GalleryError("A gallery's name has letters, digits, - and _ only, at most 40 of them.")
        key = (name, _version(recognizer))
        with self._lock:
            if key not in self._open:
                slug = re.sub(r"[^\w.-]+", "-", key[1])
                self._open[key] = Gallery(self.folder / name / slug, key[1], recognizer.embedding_size)
            return self._open[key]

    def existing(self, recognizer: Recognizer, name: str = SAMPLE) -> Gallery:
        """The same where nobody may make a new one. Raises GalleryError also when there is none of that name."""
        if name not in self.names():
            raise GalleryError(f"There is no gallery of that name. Choose one of: {', '.join(self.names())}.")
        return self.gallery(recognizer, name)

    def fill(self, recognizer: Recognizer, name: str, source: Source) -> Generator[Progress, None, None]:
        """Add a source's pictures to a gallery; see `building.build`. `filling` knows how far it is.

        Raises:
            GalleryError: the gallery cannot be used, or the source breaks off.
        """
        gallery = self.gallery(recognizer, name)
        yield from self._followed(name, recognizer, build(gallery, recognizer, source), source.total, source.name)

    def earlier(self, recognizer: Recognizer, name: str) -> str:
        """The checkpoint and version that filled this gallery last before this one came; empty where none did."""
        found = self._earlier(recognizer, name)
        return found[1] if found else ""

    def rebuild(self, recognizer: Recognizer, name: str) -> Generator[Progress, None, None]:
        """Look anew, with this checkpoint, at what an earlier one filled the gallery with; see `building.rebuild`.

        Raises:
            GalleryError: there is nothing to begin with, or the gallery cannot be used.
        """
        found = self._earlier(recognizer, name)
        if found is None:
            raise GalleryError(f"No other checkpoint has filled {name}. Add pictures instead.")
        earlier = Storage(*found)
        gallery = self.gallery(recognizer, name)
        yield from self._followed(name, recognizer, rebuild(gallery, recognizer, earlier), earlier.count(), name)

    def _earlier(self, recognizer: Recognizer, name: str) -> tuple[Path, str, int] | None:
        """Folder, checkpoint and length of an embedding of what `earlier` tells."""
        if not _NAME.fullmatch(name):
            return None
        folders = sorted((self.folder / name).glob("*/"), key=lambda folder: folder.stat().st_mtime, reverse=True)
        every = ((folder, about) for folder in folders if (about := filled_by(folder)) is not None)
        return next(((folder, *about) for folder, about in every if about[0] != _version(recognizer)), None)

    def _followed(
        self, name: str, recognizer: Recognizer, steps: Iterator[Progress], total: int | None, source: str
    ) -> Generator[Progress, None, None]:
        key = (name, _version(recognizer))
        self._filling[key] = Filling(Progress(total))
        try:
            for progress in steps:
                self._filling[key] = Filling(progress)
                yield progress
        except GalleryKeepingError:
            raise
        # Damaged tables and a Hub that went away: each has its own exception, by the library that reads.
        except (OSError, ValueError, RuntimeError) as error:
            raise GalleryError(f"{source} could not be read to its end: {error}") from error
        finally:
            # Also when nobody asks for the next batch any more.
            self._filling[key] = replace(self._filling[key], running=False)

    def filling(self, recognizer: Recognizer, name: str = SAMPLE) -> Filling | None:
        """How far filling this gallery is, or was when it ended; None when it has not begun since the app started."""
        return self._filling.get((name, _version(recognizer)))

    def fill_sample(self, recognizer: Recognizer) -> Thread | None:
        """Fill the sample gallery in the background and make its map, where there is a sample.

        What is there already is passed over.
        """
        if not self.sample.exists():
            return None

        def work() -> None:
            try:
                deque(self.fill(recognizer, SAMPLE, open_source(self.sample)), maxlen=0)
                mapping.prepare(self.gallery(recognizer, SAMPLE))
            except GalleryError as error:
                last = self.filling(recognizer)
                progress = last.progress if last else Progress(None)
                self._filling[SAMPLE, _version(recognizer)] = Filling(progress, False, str(error))

        thread = Thread(target=work, daemon=True, name="sample gallery")
        thread.start()
        return thread


def _version(recognizer: Recognizer) -> str:
    checkpoint = recognizer.checkpoint
    return f"{checkpoint.title} {recognizer.graph.path.stem}"
