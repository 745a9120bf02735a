"""Versions of a checkpoint's heads: a folder each, never changed once written, and one small file: who answers.

Where the backbone was adapted, the folder has another in it: a checkpoint with the graph that the heads read.

`promoted.json` is replaced in one step, so that any process sees the old state or the new one; what it names is read
and verified before it answers.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final

from filelock import FileLock, Timeout

from vehicle_demo.recognition import CheckpointError
from vehicle_demo.recognition.checkpoint import Checkpoint
from vehicle_demo.recognition.heads import TENSORS, Head, Heads
from vehicle_demo.retraining.heads_file import packed, unpacked

BUILT_IN: Final = "built-in"
HEADS_FILE: Final = "heads.safetensors"
ABOUT_FILE: Final = "version.json"
_GRAPH_FOLDER = "checkpoint"
_POINTER = "promoted.json"
_FORMAT = 2
_PART = ".part-"
_WAIT_S = 10.0
_NAME = re.compile(r"v\d+-[0-9a-f]{6}")


class VersionError(RuntimeError):
    """Versions cannot be used as asked; the message is a sentence that says what to do."""


@dataclass(frozen=True)
class About:
    """What a fit says of itself: the data it was fitted on (a hash), its settings and its figures, who, and on what.

    `parent` is the version that it started from.
    """

    parent: str
    data: str
    settings: Mapping[str, Any]
    figures: Mapping[str, Any]
    person: str


@dataclass(frozen=True)
class Version:
    """A version as its folder describes it. `at` is UTC, ISO 8601; `features` the length of what its heads read.

    `reader` is the digest of the plate reader that a last layer in it was fitted for, empty where there is none.
    `backbone` is the version in whose folder the graph is that its heads read (it may be itself), empty for the
    checkpoint's own; `files` are the digests of a graph's files that are in its own folder.
    """

    name: str
    checkpoint: str
    features: int
    labels: Mapping[str, tuple[str, ...]]
    sha256: str
    at: str
    about: About
    reader: str = ""
    backbone: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """Something that was done to a version: `promote`, `roll back`, `pin`, `unpin` or `discard`."""

    action: str
    version: str
    person: str
    at: str


@dataclass(frozen=True)
class State:
    """Who answers, and how it came to that.

    `promoted` are the versions that answered one after the other, the last one now; roll-backs take them off again.
    """

    promoted: tuple[str, ...] = ()
    pinned: bool = False
    discarded: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def answering(self) -> str:
        """The version that answers; `built-in` for the graph's own heads."""
        return self.promoted[-1] if self.promoted else BUILT_IN


@dataclass
class Versions:
    """All versions of one checkpoint. Any number of threads and processes may use the folder at once.

    Args:
        folder: made at the first write.
        checkpoint: name and version of the checkpoint, which its versions must have been fitted on.
        features: length of the features that its graph gives.
        reader: digest of its plate reader, empty without one.
    """

    folder: Path
    checkpoint: str
    features: int
    reader: str = ""
    _stamp: tuple[int, ...] | None = None
    _heads: Heads | None = None
    _trouble: str = ""
    _lock: Lock = field(default_factory=Lock)
    _whole: set[tuple[str, tuple[tuple[int, ...], ...]]] = field(default_factory=set)

    def current(self) -> Heads | None:
        """The heads that answer now, None for the graph's own; a look at one file's date where nothing has changed.

        Where the promoted version cannot be used, the last one that could goes on answering, and `trouble` says why.
        """
        stamp = _stamp(self.folder / _POINTER)
        with self._lock:
            if stamp != self._stamp:
                self._heads, self._trouble = self._answering(fresh=self._stamp is None)
                self._stamp = stamp
            return self._heads

    @property
    def trouble(self) -> str:
        """Why the promoted version does not answer; empty when it does."""
        self.current()
        return self._trouble

    def add(
        self,
        heads: Mapping[str, Head],
        about: About,
        characters: Head | None = None,
        checkpoint: Path | None = None,
    ) -> Version:
        """Write a new version, whole or not at all, and return it; nobody answers by it until it is promoted.

        Args:
            characters: the plate reader's last layer; without one its own answers.
            checkpoint: the folder of the graph that the heads read, as in `Heads`; it is copied unless it is in a
                version's folder already.

        Raises:
            VersionError: it could not be written; nothing was.
        """
        content = packed(heads, characters)
        sha256 = hashlib.sha256(content).hexdigest()
        with self._writing():
            for left in self.folder.glob(f"{_PART}*"):  # by a process that was killed: we alone write now
                shutil.rmtree(left, ignore_errors=True)
            number = 1 + max((int(path.name[1:].split("-")[0]) for path in self._folders()), default=0)
            name = f"v{number}-{sha256[:6]}"
            owner = self._owner(checkpoint) if checkpoint else ""
            copied = sorted(checkpoint.iterdir()) if checkpoint and not owner else []
            version = Version(
                name,
                self.checkpoint,
                heads["type"].features,
                {task: heads[task].names for task in TENSORS},
                sha256,
                _now(),
                about,
                self.reader if characters else "",
                owner or (name if copied else ""),
                {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in copied},
            )
            beside = Path(tempfile.mkdtemp(dir=self.folder, prefix=_PART))
            try:
                _write(beside / HEADS_FILE, content)
                for path in copied:
                    (beside / _GRAPH_FOLDER).mkdir(exist_ok=True)
                    _write(beside / _GRAPH_FOLDER / path.name, path.read_bytes())
                _write(beside / ABOUT_FILE, _json({"format": _FORMAT, **asdict(version)}))
                beside.rename(self.folder / version.name)
                _settle(self.folder)
            except BaseException:
                shutil.rmtree(beside, ignore_errors=True)
                raise
        return version

    def names(self) -> list[str]:
        """Every version there is, the newest first."""
        return [path.name for path in self._folders()]

    def about(self, name: str) -> Version:
        """The description of a version.

        Raises:
            VersionError: there is none of that name, it is damaged, or it belongs to another checkpoint.
        """
        path = self._path(name) / ABOUT_FILE
        try:
            values = json.loads(path.read_bytes())
            if values.pop("format") != _FORMAT:
                raise VersionError(f"The heads {name} are in a format that this app does not read. Promote others.")
            values["about"] = About(**values["about"])
            values["labels"] = {task: tuple(values["labels"][task]) for task in TENSORS}
            version = Version(**values)
            if any(Path(file).name != file for file in version.files):
                raise ValueError("a file of its graph is outside of its folder")
        except FileNotFoundError as error:
            raise VersionError(f"There are no heads {name} here. Choose one of: {self._offered()}.") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise VersionError(f"{path} cannot be read ({error}). Promote another version.") from error
        if (version.checkpoint, version.features) != (self.checkpoint, self.features):
            raise VersionError(
                f"The heads {name} were fitted on {version.checkpoint}, whose features this checkpoint "
                f"({self.checkpoint}) does not give. Promote a version of this one."
            )
        if version.reader not in ("", self.reader):
            raise VersionError(
                f"The heads {name} were fitted for another plate reader than {self.checkpoint} has. Promote another "
                "version."
            )
        return version

    def verified(self, name: str) -> Version:
        """The description of a version that is whole; files that have not changed are read once.

        Raises:
            VersionError: as `load` does.
        """
        version = self.about(name)
        paths = [self._path(name) / HEADS_FILE]
        if owner := self._with_graph(version):
            paths += (self._path(owner.name) / _GRAPH_FOLDER / file for file in owner.files)
        whole = (version.sha256, tuple(map(_stamp, paths)))
        if whole not in self._whole:
            self._content(version)
            self._graph_folder(version)
            self._whole.add(whole)
        return version

    def files(self, name: str) -> dict[str, bytes]:
        """A version's files by their paths in its folder, whole. Raises VersionError as `load` does."""
        version = self.about(name)
        graph = {
            f"{_GRAPH_FOLDER}/{file}": self._checked(version, f"{_GRAPH_FOLDER}/{file}", digest)
            for file, digest in version.files.items()
        }
        return {HEADS_FILE: self._content(version), ABOUT_FILE: (self._path(name) / ABOUT_FILE).read_bytes(), **graph}

    def load(self, name: str) -> Heads:
        """The heads of a version, with the graph that they read, all verified by checksums.

        Raises:
            VersionError: as `about` does, or a file of the version, or of the graph, is missing or damaged.
        """
        from safetensors import SafetensorError

        version = self.about(name)
        try:
            heads = unpacked(self._content(version), name, version.labels)
        except (KeyError, SafetensorError, CheckpointError) as error:
            raise VersionError(f"The heads {name} cannot be read ({error}). Promote another version.") from error
        return replace(heads, checkpoint=self._graph_folder(version))

    def _content(self, version: Version) -> bytes:
        """The file of a version's heads, whole. Raises VersionError."""
        return self._checked(version, HEADS_FILE, version.sha256)

    def _checked(self, version: Version, file: str, sha256: str) -> bytes:
        """A file in a version's folder, whole. Raises VersionError."""
        path = self._path(version.name) / file
        try:
            content = path.read_bytes()
        except OSError as error:
            raise VersionError(
                f"The heads {version.name} cannot be read ({file}: {error.strerror}). Promote another version."
            ) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise VersionError(f"The file {path} is damaged: its checksum has changed. Promote another version.")
        return content

    def _graph_folder(self, version: Version) -> Path | None:
        """The folder of the graph that a version's heads read, whole; None for the checkpoint's own."""
        owner = self._with_graph(version)
        if owner is None:
            return None
        for file, digest in owner.files.items():
            self._checked(owner, f"{_GRAPH_FOLDER}/{file}", digest)
        return self._path(owner.name) / _GRAPH_FOLDER

    def _with_graph(self, version: Version) -> Version | None:
        """The version in whose folder the graph is that a version's heads read. Raises VersionError without it."""
        if version.backbone in ("", version.name):
            return version if version.backbone else None
        try:
            return self.about(version.backbone)
        except VersionError as error:
            raise VersionError(
                f"The heads {version.name} read the graph of {version.backbone}, which cannot be used: {error}"
            ) from error

    def _owner(self, checkpoint: Path) -> str:
        """The version in whose folder a graph's folder is; empty where it is elsewhere."""
        return checkpoint.parent.name if checkpoint.parent.parent == self.folder else ""

    def state(self) -> State:
        """Who answers, as the folder says now. Raises VersionError when that file is damaged."""
        path = self.folder / _POINTER
        try:
            values = json.loads(path.read_bytes())
            return State(
                tuple(values["promoted"]),
                values["pinned"],
                tuple(values["discarded"]),
                tuple(Event(**one) for one in values["events"]),
            )
        except FileNotFoundError:
            return State()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise VersionError(f"{path} is damaged ({error}). Take it away and promote a version again.") from error

    def promote(self, name: str, person: str, seen: str) -> State:
        """Let a version answer, or `built-in`, from now on and in every process.

        Args:
            seen: which one answered when the person decided.

        Raises:
            VersionError: it cannot be used, another one answers by now or is pinned, or nothing could be written.
        """
        if name != BUILT_IN:
            self.load(name)
        with self._changing(seen) as state:
            if name == state.answering:
                raise VersionError(f"The heads {name} answer already.")
            return self._put(replace(state, promoted=(*state.promoted, name)), "promote", name, person)

    def roll_back(self, person: str, seen: str) -> State:
        """Let the version before answer again. Raises VersionError as `promote` does, and where there is none."""
        with self._changing(seen) as state:
            if not state.promoted:
                raise VersionError("The built-in heads answer; there is nothing to roll back.")
            before = replace(state, promoted=state.promoted[:-1])
            if before.answering != BUILT_IN:
                self.load(before.answering)
            return self._put(before, "roll back", before.answering, person)

    def pin(self, person: str, pinned: bool) -> State:
        """Hold on to the version that answers, or let go of it: while it is pinned no other can be promoted.

        Raises:
            VersionError: nothing could be written.
        """
        with self._writing():
            state = self.state()
            return self._put(replace(state, pinned=pinned), "pin" if pinned else "unpin", state.answering, person)

    def discard(self, name: str, person: str) -> State:
        """Mark a version as not wanted; it stays on the disk, and may still be promoted.

        Raises:
            VersionError: there is none of that name, it answers, or nothing could be written.
        """
        self.about(name)
        with self._writing():
            state = self.state()
            if name == state.answering:
                raise VersionError(f"The heads {name} answer. Promote another version or roll back first.")
            others = tuple(other for other in state.discarded if other != name)
            return self._put(replace(state, discarded=(*others, name)), "discard", name, person)

    @contextmanager
    def _changing(self, seen: str) -> Iterator[State]:
        """The state, for a change of who answers by a person who saw `seen` answer."""
        with self._writing():
            state = self.state()
            if state.answering != seen:
                last = state.events[-1]
                raise VersionError(
                    f"Meanwhile {last.person} chose otherwise: {state.answering} answers now, not {seen}. "
                    "Look at it and decide again."
                )
            if state.pinned:
                raise VersionError(f"{state.answering} is pinned. Unpin it to let another version answer.")
            yield state

    def _answering(self, fresh: bool) -> tuple[Heads | None, str]:
        """The heads that should answer, or the last that can, with what is wrong; `fresh` when none did before."""
        heads, trouble = self._heads, ""
        try:
            promoted = [*reversed(self.state().promoted), BUILT_IN]
        except VersionError as error:
            promoted, trouble = [], str(error)
        # What answered until now is as good as what came before it, and is in memory.
        for name in promoted if fresh else promoted[:1]:
            try:
                heads = None if name == BUILT_IN else self.load(name)
                break
            except VersionError as error:
                trouble = trouble or str(error)
        return heads, f"{trouble} The heads {heads.version if heads else BUILT_IN} go on answering." if trouble else ""

    def _put(self, state: State, action: str, version: str, person: str) -> State:
        new = replace(state, events=(*state.events, Event(action, version, person, _now())))
        if action == "promote":
            new = replace(new, discarded=tuple(name for name in new.discarded if name != version))
        beside = self.folder / (_PART + _POINTER)
        try:
            _write(beside, _json(asdict(new)))
            os.replace(beside, self.folder / _POINTER)
            _settle(self.folder)
        finally:
            beside.unlink(missing_ok=True)
        return new

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One writer at a time, among threads and processes; what the disk refuses comes as a sentence."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / "lock", timeout=_WAIT_S):
                yield
        except Timeout as error:
            raise VersionError("Another process is writing versions and does not end. Try again.") from error
        except OSError as error:
            raise VersionError(
                f"The versions in {self.folder} could not be written ({error.strerror}). Nothing was changed: "
                "free some room or mend the folder, and try again."
            ) from error

    def _folders(self) -> list[Path]:
        found = [path for path in self.folder.glob("v*") if _NAME.fullmatch(path.name)]
        return sorted(found, key=lambda path: int(path.name[1:].split("-")[0]), reverse=True)

    def _path(self, name: str) -> Path:
        # Names come from pages and from files: nothing but a version's name may lead to a folder.
        if not _NAME.fullmatch(name):
            raise VersionError(f"There are no heads of that name. Choose one of: {self._offered()}.")
        return self.folder / name

    def _offered(self) -> str:
        return ", ".join([*self.names(), BUILT_IN])


def folder_of(home: Path, checkpoint: Checkpoint) -> Path:
    """Where the versions of a checkpoint are kept."""
    return home / "heads" / re.sub(r"[^\w.-]+", "-", checkpoint.title)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _stamp(path: Path) -> tuple[int, ...]:
    """Changes when the file does; empty where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return (status.st_mtime_ns, status.st_ino, status.st_size)


def _settle(folder: Path) -> None:
    """Have what was renamed in a folder on the disk."""
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=1) + "\n").encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
