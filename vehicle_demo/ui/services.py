"""What the tabs share: the checkpoints that are there, loaded once, the example pictures, galleries and labels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from vehicle_demo.annotation.remote import Remote, remote_named
from vehicle_demo.home import home as data_home
from vehicle_demo.recognition import CheckpointError, Recognizer, load_checkpoint
from vehicle_demo.recognition.heads import Heads
from vehicle_demo.recognition.recognizer import FINDER
from vehicle_demo.retraining.job import Jobs
from vehicle_demo.retraining.retrain import versions_of
from vehicle_demo.retraining.sharing import HEADS
from vehicle_demo.retraining.shipped import built_in_heads
from vehicle_demo.retraining.versions import Versions
from vehicle_demo.ui.galleries import Galleries
from vehicle_demo.ui.labels import Labels

PROJECT = Path(__file__).resolve().parents[2]
SAMPLES = PROJECT / "vehicle_demo" / "samples"


@dataclass(frozen=True)
class Choice:
    """One entry of the checkpoint menu: where it is (folder, graph or Hub model) and which precision."""

    source: str
    precision: str


@dataclass
class _Loaded:
    """A checkpoint's recogniser with its graph's own heads, its versions, and what answers by the promoted ones."""

    own: Recognizer
    versions: Versions
    heads: Heads | None
    answering: Recognizer


@dataclass(frozen=True)
class Services:
    """Built once at start. `choices` by the name shown in the menu; the first one is the default.

    `shared` is where versions of the heads are pushed to, if anywhere, `training` the folder of the pictures that the
    checkpoint was trained on, where backbones may be adapted.
    """

    choices: Mapping[str, Choice]
    examples: tuple[Path, ...]
    galleries: Galleries
    labels: Labels
    home: Path
    jobs: Jobs
    shared: Remote | None = None
    training: Path | None = None
    _loaded: dict[str, _Loaded] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def default_choice(self) -> str:
        """The name of the checkpoint that a visitor meets first."""
        return next(iter(self.choices))

    def recognizer(self, name: str | None = None) -> Recognizer:
        """The recogniser of a menu entry, loaded at its first use; the default one without a name.

        It answers by the heads that are promoted now, and goes on answering by them: ask anew for each picture.

        Raises:
            CheckpointError: there is no such entry, or it cannot be loaded.
        """
        loaded = self._entry(name)
        heads = loaded.versions.current()
        with self._lock:
            if heads is not loaded.heads:
                loaded.heads, loaded.answering = heads, loaded.own.with_heads(heads)
            return loaded.answering

    def heads(self) -> Heads:
        """The heads by which `recognizer()` answers now, the built-in ones read from the checkpoint's weights.

        Raises:
            CheckpointError: as `recognizer` does.
            RetrainError: the checkpoint comes without its weights.
        """
        loaded = self._entry(None)
        return loaded.versions.current() or built_in_heads(loaded.own.checkpoint)

    def corrections(self, folder: Path) -> None:
        """Write what people said of vehicles into a folder, to retrain on. Raises StoreError."""
        self.labels.write_corrections(self.recognizer(), folder)

    def versions(self, name: str | None = None) -> Versions:
        """The versions of a menu entry's heads. Raises CheckpointError as `recognizer` does."""
        return self._entry(name).versions

    def _entry(self, name: str | None) -> _Loaded:
        name = name or self.default_choice
        if name not in self.choices:
            raise CheckpointError(f"There is no checkpoint {name} here. Choose one of: {', '.join(self.choices)}.")
        with self._lock:
            if name not in self._loaded:
                choice = self.choices[name]
                own = Recognizer.from_checkpoint(choice.source, choice.precision)
                self._loaded[name] = _Loaded(own, versions_of(self.home, own), None, own)
            return self._loaded[name]


def find_services(
    folder: Path = PROJECT / "checkpoints", samples: Path = SAMPLES, home: Path | None = None
) -> Services:
    """Every checkpoint in `folder`, after the one that `VEHICLE_DEMO_CHECKPOINT` names (a path or a Hub model).

    `home` is where galleries and labels are kept, by default `home.home()`; VEHICLE_DEMO_DATABASE_URL names another
    database for the labels, VEHICLE_DEMO_DATASET a place far away to keep them in too,
    VEHICLE_DEMO_MODEL one to push versions of the heads to, VEHICLE_DEMO_DATA the folder of the training's pictures.

    Raises:
        CheckpointError: there is none at all.
    """
    # What embeds alone comes after the one that finds and names for it.
    shipped = sorted(folder.glob("*/checkpoint.json"), key=lambda path: (path.parent.name != FINDER.name, path))
    sources = [str(path.parent) for path in shipped]
    if wanted := os.environ.get("VEHICLE_DEMO_CHECKPOINT"):
        sources.insert(0, wanted)
    if not sources:
        raise CheckpointError(
            f"There is no checkpoint in {folder}. Set VEHICLE_DEMO_CHECKPOINT to a path or a Hub model."
        )
    choices: dict[str, Choice] = {}
    for source in sources:
        checkpoint = load_checkpoint(source)
        for precision in checkpoint.graphs:
            # What was named comes first, whatever is called the same in the folder.
            choices.setdefault(f"{checkpoint.name} {precision.upper()}", Choice(source, precision))
    home = home or data_home()
    galleries = Galleries(home / "galleries", samples / "reid.parquet")
    labels = Labels(
        home / "labels",
        os.environ.get("VEHICLE_DEMO_DATABASE_URL", ""),
        samples / "plate_crops.parquet",
        os.environ.get("VEHICLE_DEMO_DATASET", ""),
    )
    examples = tuple(sorted((samples / "photos").glob("*.jpg")))
    model = os.environ.get("VEHICLE_DEMO_MODEL", "")
    shared = remote_named(model, HEADS) if model else None
    training = os.environ.get("VEHICLE_DEMO_DATA", "")
    return Services(
        choices, examples, galleries, labels, home, Jobs(home), shared, Path(training).resolve() if training else None
    )
