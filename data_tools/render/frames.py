"""From a seed to finished frames with labels. A set is one built place whose vehicles several cameras see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from data_tools.render.catalogue import CATEGORY_OF_TYPE
from data_tools.render.finish import finish
from data_tools.render.identity import Identity, draw_identities


@dataclass(frozen=True)
class Preset:
    """Sizes in pixels, Cycles samples a pixel, views of each set and vehicles in it, and how fine the maps are.

    `least` is how many vehicles a view should show, `roughness` how bad the worst camera is, `denoising` the quality by
    Open Image Denoise's name.
    """

    width: int
    height: int
    samples: int
    views: int
    vehicles: int
    least: int
    detail: float
    roughness: float = 1.0
    denoising: Literal["HIGH", "FAST"] = "HIGH"
    share_of_light: tuple[float, float, float, float, float] = (0.36, 0.26, 0.12, 0.12, 0.14)


PRESETS = {
    "train": Preset(320, 224, 5, 12, 16, 3, 0.5, denoising="FAST"),
    "photos": Preset(640, 448, 32, 1, 18, 2, 1.0, 0.25),
}
# How strongly lamps glow by day is 2.
LAMP_GLOW = {"night": 12.0, "dusk": 6.0}
_TRIES = 12


@dataclass(frozen=True)
class FrameLabel:
    """Labels of one frame as they are stored beside its picture."""

    set: int
    view: int
    place: str
    light: str
    camera: str
    vehicles: tuple[dict[str, Any], ...]


def render_set(seed: int, number: int, preset: Preset, folder: Path) -> int:
    """Render the frames of a set that `folder` has not yet; returns how many are new.

    A frame is `SET-VIEW.jpg` and `SET-VIEW.json`, the label written last: a frame without it is made again.
    """
    names = [f"{number:05d}-{view:02d}" for view in range(preset.views)]
    missing = [view for view, name in enumerate(names) if not (folder / f"{name}.json").exists()]
    if not missing:
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    made = 0
    stage = _Stage(seed, number, preset)
    for view in missing:
        image, label = stage.frame(view)
        image.save(folder / f"{names[view]}.jpg", quality=int(90 - 25 * stage.roughness(view)))
        unfinished = folder / f"{names[view]}.part"
        unfinished.write_text(json.dumps(asdict(label)))
        unfinished.rename(folder / f"{names[view]}.json")
        made += 1
    return made


class _Stage:
    """One built set."""

    def __init__(self, seed: int, number: int, preset: Preset) -> None:
        from data_tools.render import blender, world
        from data_tools.render.labels import Eye
        from data_tools.render.vehicle import Workshop

        self._seed, self._number, self._preset = seed, number, preset
        rng = np.random.default_rng((seed, number, 1))
        scene = blender.empty_scene()
        self.light = world.LIGHTS[rng.choice(5, p=preset.share_of_light)]
        kind = world.PLACES[rng.choice(4, p=(0.46, 0.20, 0.28, 0.06))]
        self.place = world.build_place(kind, self.light, rng)
        workshop = Workshop(preset.detail, LAMP_GLOW.get(self.light, 2.0))
        stream = draw_identities(seed)
        identities = list(islice(stream, number * preset.vehicles, (number + 1) * preset.vehicles))
        self.vehicles = _park(self.place.slots, identities, workshop)
        if self.light == "night":
            for vehicle in self.vehicles:
                _head_lights(vehicle)
        set_up_cycles(scene, preset.samples, number, self.light)
        scene.cycles.denoising_quality = preset.denoising
        self._eye = Eye(self.vehicles)

    def roughness(self, view: int) -> float:
        """How bad the camera of a view is, in [0, 1]."""
        drawn = np.random.default_rng((self._seed, self._number, 2, view)).random()
        return float(self._preset.roughness * drawn**2)

    def frame(self, view: int) -> tuple[Image.Image, FrameLabel]:
        """Render one view and look at what it shows."""
        rng = np.random.default_rng((self._seed, self._number, 3, view))
        best: tuple[int, Any, Any] = (-1, None, None)
        for _ in range(_TRIES):
            camera = self._camera(rng)
            seen = self._eye.look(camera)
            if len(seen) > best[0]:
                best = len(seen), camera, seen
            if len(seen) >= self._preset.least:
                break
        _, camera, seen = best
        image = finish(render_view(camera), self.roughness(view), rng)
        label = FrameLabel(
            self._number,
            view,
            self.place.kind,
            self.light,
            camera.kind,
            tuple(describe(item, self.vehicles) for item in seen),
        )
        return image, label

    def _camera(self, rng: np.random.Generator) -> Any:
        from data_tools.render.camera import sample_camera
        from data_tools.render.labels import in_world

        kinds = {"showroom": ("phone",), "car park": ("phone", "mast"), "motorway": ("gate", "mast", "gate")}
        choices: Any = kinds.get(self.place.kind, ("phone", "mast", "gate"))
        kind = choices[rng.integers(len(choices))]
        target = self.vehicles[rng.integers(min(len(self.vehicles), 8))]
        centre = in_world(target, target.points.mean(axis=0, keepdims=True))[0]
        return sample_camera(kind, self.place, centre, rng, self._preset.width, self._preset.height)


def describe(seen: Any, vehicles: Any) -> dict[str, Any]:
    """All labels of one vehicle that a frame shows."""
    identity = next(v.identity for v in vehicles if v.identity.number == seen.identity)
    model = identity.model
    return {
        "category": CATEGORY_OF_TYPE.get(model.body.type, "car"),
        "type": model.body.type,
        "make": model.make,
        "model": model.name,
        "year": model.year,
        "colour": identity.colour,
        "plate_text": identity.plate.text,
        "plate_layout": identity.plate.layout,
        **asdict(seen),
    }


def _park(slots: Any, identities: list[Identity], workshop: Any) -> list[Any]:
    """Build the vehicles into the nearest free slots; one that would touch another goes elsewhere or is left out."""
    import bpy

    from data_tools.render.labels import in_world

    taken: list[tuple[np.ndarray, np.ndarray]] = []
    placed = []
    waiting = list(identities)
    for slot in slots:
        if not waiting:
            break
        identity = waiting[0]
        length = identity.model.body.length + (5.2 if identity.model.body.type == "truck" else 0.3)
        along = np.array([np.cos(slot.heading), np.sin(slot.heading)])
        across = np.array([-along[1], along[0]]) * (identity.model.body.width / 2 + 0.25)
        start = np.array([slot.x, slot.y])
        corners = np.stack(
            [start - 0.5 * along + s * across + t * (length + 1.0) * along for s in (-1, 1) for t in (0, 1)]
        )
        low, high = corners.min(axis=0), corners.max(axis=0)
        if any((low < other_high).all() and (high > other_low).all() for other_low, other_high in taken):
            continue
        taken.append((low, high))
        vehicle = workshop.build(waiting.pop(0))
        vehicle.root.location = (slot.x, slot.y, 0)
        vehicle.root.rotation_euler = (0, 0, slot.heading)
        placed.append(vehicle)
    bpy.context.view_layer.update()
    assert all(np.isfinite(in_world(vehicle, vehicle.points)).all() for vehicle in placed)
    return placed


def _head_lights(vehicle: Any) -> None:
    import math

    import bpy

    body = vehicle.identity.model.body
    for side in (1, -1):
        light = bpy.data.lights.new("head light", "SPOT")
        light.energy, light.spot_size, light.spot_blend = 260.0, math.radians(46), 0.7
        light.color = (1.0, 0.95, 0.86)
        thing = bpy.data.objects.new("head light", light)
        thing.parent = vehicle.root
        thing.location = (-0.12, side * body.width * 0.34, 0.68)
        thing.rotation_euler = (0, math.radians(80), 0)
        bpy.context.scene.collection.objects.link(thing)


def set_up_cycles(scene: Any, samples: int, seed: int, light: str) -> None:
    """Quality, noise seed and exposure of the scene."""
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.samples, cycles.seed = samples, seed
    cycles.use_denoising = cycles.use_adaptive_sampling = True
    cycles.max_bounces, cycles.transparent_max_bounces = 5, 10
    cycles.diffuse_bounces, cycles.glossy_bounces = 2, 3
    cycles.sample_clamp_indirect = 4.0
    scene.render.use_persistent_data = True
    scene.render.image_settings.file_format = "PNG"
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    scene.view_settings.exposure = {"night": 1.6, "dusk": 0.6, "rain": 0.25}.get(light, 0.15)


def render_view(camera: Any, window: tuple[float, float, float, float] | None = None) -> Image.Image:
    """The scene as the camera sees it, or the window x1, y1, x2, y2 (pixels) of that picture alone."""
    import tempfile

    import bpy

    camera.place_in_scene()
    render = bpy.context.scene.render
    render.use_border = render.use_crop_to_border = window is not None
    if window is not None:
        x1, y1, x2, y2 = window
        render.border_min_x, render.border_max_x = x1 / camera.width, x2 / camera.width
        render.border_min_y, render.border_max_y = 1 - y2 / camera.height, 1 - y1 / camera.height
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.png"
        render.filepath = str(path)
        bpy.ops.render.render(write_still=True)
        with Image.open(path) as image:
            return image.convert("RGB")


def stored_frames(folder: Path) -> Iterator[tuple[Path, FrameLabel]]:
    """Finished frames of a folder in order, with their labels."""
    for path in sorted(folder.glob("*.json")):
        values = json.loads(path.read_text())
        values["vehicles"] = tuple(values["vehicles"])
        yield path.with_suffix(".jpg"), FrameLabel(**values)
