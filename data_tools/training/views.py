"""Views for feature distillation: random crops of training pictures with a teacher's feature of the same crop.

Matching a teacher's pooled feature teaches a network from random weights far more per picture than names alone.
The teacher only answers; its weights start nothing and are not shipped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from data_tools.readers import parquet
from data_tools.readers.picture import Picture

VIEW_SIZE = 160
TEACHER_SIZE = 224
FEATURE_SIZE = 1280
TEACHER_FILE = "teachers/mobilenet_v2_imagenet_int8.tflite"
# Views drawn of each picture: the names are learnt from cars196; the other photos widen what the backbone has seen.
VIEWS_PER_PICTURE = {"cars196": 10, "reid": 4, "detection": 3, "plate_photos": 2}
_ROWS_PER_FLUSH = 2000


class FeatureTeacher:
    """MobileNetV2 (ImageNet, int8 TensorFlow Lite): a picture -> its averaged last feature map."""

    def __init__(self, path: Path, threads: int = 2) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(path), num_threads=threads, experimental_preserve_all_tensors=True)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        maps = [t for t in self._interpreter.get_tensor_details() if tuple(t["shape"]) == (1, 7, 7, FEATURE_SIZE)]
        self._feature = maps[-1]["index"]
        self._scale, self._zero = maps[-1]["quantization"]

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """picture: (224, 224, 3) uint8 -> (1280,) float32."""
        self._interpreter.set_tensor(self._input, picture[None])
        self._interpreter.invoke()
        raw = self._interpreter.get_tensor(self._feature).astype(np.float32)
        return (raw.mean(axis=(0, 1, 2)) - self._zero) * self._scale


def random_crop_box(
    width: int, height: int, rng: np.random.Generator, area: tuple[float, float]
) -> tuple[float, float, float, float]:
    """A random (x1, y1, x2, y2) in pixels covering a share of the picture's area, aspect changed by up to a third."""
    share = rng.uniform(*area)
    stretch = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
    w = width * min(1.0, math.sqrt(share * stretch))
    h = height * min(1.0, math.sqrt(share / stretch))
    x = rng.uniform(0, width - w)
    y = rng.uniform(0, height - h)
    return x, y, x + w, y + h


def _views_of(picture: Picture, count: int, rng: np.random.Generator) -> Iterator[Image.Image]:
    image = picture.decode()
    for _ in range(count):
        box = random_crop_box(*image.size, rng, area=(0.25, 1.0))
        view = image.resize((TEACHER_SIZE, TEACHER_SIZE), Image.Resampling.BILINEAR, box=box)
        yield view.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else view


def prepare(data: Path, cache: Path, seed: int) -> None:
    """Write `views.npy` (V, 160, 160, 3) uint8, `features.npy` (V, 1280) float16 and `views.json` (source, path).

    Goes on where an earlier, interrupted call stopped. Raises FileNotFoundError without the teacher's file.
    """
    if (cache / "views.json").exists():
        return
    teacher_path = data / TEACHER_FILE
    if not teacher_path.exists():
        raise FileNotFoundError(
            f"{teacher_path} is missing: distillation needs the teacher described in the data README."
        )
    cache.mkdir(parents=True, exist_ok=True)
    pictures = [
        (picture, count)
        for name, count in VIEWS_PER_PICTURE.items()
        for picture in parquet.read(data, name)
        if picture.split == "train"
    ]
    total = sum(count for _, count in pictures)
    progress_file = cache / "views.progress"
    done = int(progress_file.read_text()) if progress_file.exists() else 0
    mode = "r+" if done else "w+"
    views = np.lib.format.open_memmap(cache / "views.npy", mode, np.uint8, (total, VIEW_SIZE, VIEW_SIZE, 3))
    features = np.lib.format.open_memmap(cache / "features.npy", mode, np.float16, (total, FEATURE_SIZE))
    teacher = FeatureTeacher(teacher_path)
    row = 0
    with tqdm(total=total, initial=done, unit="view", desc="teacher's views") as bar:
        for index, (picture, count) in enumerate(pictures):
            if row >= done:
                for view in _views_of(picture, count, np.random.default_rng((seed, index))):
                    features[row] = teacher(np.asarray(view))
                    views[row] = np.asarray(view.resize((VIEW_SIZE, VIEW_SIZE), Image.Resampling.BILINEAR))
                    row += 1
                bar.update(count)
                if row // _ROWS_PER_FLUSH != (row - count) // _ROWS_PER_FLUSH:
                    views.flush()
                    features.flush()
                    progress_file.write_text(str(row))
            else:
                row += count
    views.flush()
    features.flush()
    keys = [(picture.source, picture.path) for picture, count in pictures for _ in range(count)]
    (cache / "views.json").write_text(json.dumps(keys))
