"""A small timm backbone taught by the feature teacher: what small systems start from in place of downloaded weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from data_tools.training.augment import crop, normalise
from data_tools.training.config import CONFIG_FOLDER, build, read_config
from data_tools.training.data import close_windows
from data_tools.training.loop import Losses, Schedule
from data_tools.training.system_data import spoilt, vehicle_arrays, withheld_of
from data_tools.training.teacher import FEATURE_SIZE, FeatureTeacher
from vehicle_demo.models.backbones import Trunk

_FOLDER = CONFIG_FOLDER / "backbones"
# Least share of a picture that a view shows.
_LEAST = 0.4
_TEACHER_SIDE = 224
# Pictures that the teacher answers for between two steps of the progress bar.
_CHUNK = 64


@dataclass(frozen=True)
class BackboneConfig:
    """A backbone by timm's name and `options`, and a run over `views` windows of every picture.

    `data` are kinds of picture by the names of our parquet files; pictures of the `withheld` share of names are left
    out, so that a system that starts from it has not seen them either. `teacher` is a file in the data folder.
    """

    backbone: str
    image_size: int
    seed: int
    data: tuple[str, ...]
    teacher: str
    views: int
    batch: int
    schedule: Schedule
    withheld: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def trunk(self) -> Trunk:
        """The backbone with random weights."""
        return Trunk(self.backbone, self.image_size, False, self.options)


def load_backbone_config(name_or_path: str) -> BackboneConfig:
    """A shipped config by name (`resnet18-thin`) or a TOML file by path.

    Raises:
        FileNotFoundError: there is no such config.
        ValueError: a key is unknown or missing.
    """
    values, _ = read_config(name_or_path, _FOLDER)
    return build(BackboneConfig, {**values, "schedule": build(Schedule, values.get("schedule", {}))})


@dataclass(frozen=True)
class BackboneBatch:
    """images (N, 3, S, S) float32, normalised, and the teacher's standardised features (N, 1280) of the same views."""

    images: Tensor
    features: Tensor


class BackboneData:
    """Views of the training pictures with the teacher's answers, and the batch of any step, from (seed, step) alone."""

    def __init__(self, folders: Sequence[Path], cache: Path, config: BackboneConfig, teacher: Path) -> None:
        """The teacher answers once for every view; `cache` keeps that. Raises ValueError when there is no picture."""
        arrays = vehicle_arrays(folders, cache, config.data)
        held = withheld_of(arrays, config.withheld)
        self._arrays, self._config = arrays, config
        shown = [(p, r) for p, a in enumerate(arrays) for r, one in enumerate(a.pictures) if one.model not in held]
        if not shown:
            raise ValueError(f"There are no training pictures of {', '.join(config.data)} in the data folders.")
        self._shown = np.array(shown)
        self._windows = torch.stack(
            [
                close_windows(np.random.default_rng((config.seed, view)), len(shown), _LEAST, mirror=True)
                for view in range(config.views)
            ]
        )
        self._features = self._answers(cache, teacher)
        first = torch.from_numpy(self._features[0].astype(np.float32))
        self._mean, self._std = first.mean(dim=0), first.std(dim=0) + 1e-3

    def __len__(self) -> int:
        return len(self._shown)

    def batch_at(self, step: int) -> BackboneBatch:
        """Random views of random pictures."""
        rng = np.random.default_rng((self._config.seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        rows = rng.integers(len(self), size=self._config.batch)
        views = rng.integers(self._config.views, size=self._config.batch)
        images = self._seen(rows, self._windows[views, rows], self._config.image_size)
        answers = torch.from_numpy(self._features[views, rows].astype(np.float32))
        return BackboneBatch(normalise(spoilt(images, generator)), (answers - self._mean) / self._std)

    def _seen(self, rows: np.ndarray, windows: Tensor, size: int) -> Tensor:
        """(N, 3, size, size) in [0, 1]."""
        images = torch.empty(len(rows), 3, size, size)
        for place, array in enumerate(self._arrays):
            own = np.flatnonzero(self._shown[rows, 0] == place)
            images[own] = crop(array.pixels(self._shown[rows[own], 1]), windows[own], size)
        return images

    def _answers(self, cache: Path, teacher: Path) -> np.ndarray:
        """(views, pictures, 1280) float16 on disk."""
        pictures = [self._arrays[place].pictures[row] for place, row in self._shown]
        listed = [(picture.source, picture.path) for picture in pictures]
        asked = repr([self._config.seed, self._config.views, _LEAST, listed]).encode() + teacher.read_bytes()
        path = cache / f"features-{hashlib.sha256(asked).hexdigest()[:12]}.npy"
        if not path.exists():
            answer, unfinished = FeatureTeacher(teacher, torch.get_num_threads()), path.with_suffix(".part")
            shape = (self._config.views, len(self), FEATURE_SIZE)
            kept = np.lib.format.open_memmap(unfinished, "w+", np.float16, shape)
            for view in tqdm(range(self._config.views), desc="asking the teacher", unit="view"):
                for rows in np.array_split(np.arange(len(self)), -(-len(self) // _CHUNK)):
                    kept[view, rows] = answer(self._seen(rows, self._windows[view, rows], _TEACHER_SIDE)).numpy()
            kept.flush()
            unfinished.rename(path)
        return np.load(path, mmap_mode="r")


class BackboneLosses(Losses):
    """Smooth L1 from the teacher's feature to a linear map of the backbone's vector."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.feature = nn.Linear(trunk.width, FEATURE_SIZE)

    def forward(self, batch: Any) -> dict[str, Tensor]:
        """batch: a `BackboneBatch`."""
        device = self.feature.weight.device
        images = batch.images.to(device).contiguous(memory_format=torch.channels_last)
        return {"feature": F.smooth_l1_loss(self.feature(self.trunk(images)), batch.features.to(device))}
