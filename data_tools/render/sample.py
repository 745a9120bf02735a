"""The sample that ships: example photos, a gallery of vehicles seen by six cameras, and plate close-ups.

All of it in parquet files that `evaluate` reads, and the photos as files for the app's examples.
"""

from __future__ import annotations

import io
import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from data_tools.drawing.plates import LAYOUTS
from data_tools.render.finish import finish
from data_tools.render.frames import LAMP_GLOW, PRESETS, describe, render_set, render_view, set_up_cycles
from data_tools.render.identity import Identity, draw_identities
from data_tools.render.table import write_table
from data_tools.render.world import LightKind, PlaceKind

SPLIT = "validation"
# Sets of the sample's seed that show well what the app does, by the name of their photo.
PHOTOS = {
    "avenue": 0,
    "car-park": 29,
    "dusk": 2,
    "evening": 26,
    "main-street": 16,
    "motorway": 4,
    "night": 1,
    "pickup": 15,
    "queue": 6,
    "rain": 8,
    "showroom": 3,
    "trucks": 19,
}
_IDENTITIES, _PLATES = 40, 60
# Numbers far from those of the photos' vehicles: each draws its own.
_GALLERY_FROM, _PLATES_FROM = 5000, 7000


@dataclass(frozen=True)
class Spot:
    """A fixed camera past which every vehicle of the gallery drives.

    `azimuth` in degrees round the vehicle (0 from the front), `distance` and `height` in m, `focal` in mm.
    """

    place: PlaceKind
    light: LightKind
    azimuth: float
    distance: float
    height: float
    focal: float
    roughness: float


SPOTS = (
    Spot("street", "sun", -32, 8.5, 1.6, 45, 0.10),
    Spot("street", "overcast", 148, 9.0, 1.6, 45, 0.15),
    Spot("motorway", "sun", 8, 15.0, 5.2, 75, 0.30),
    Spot("street", "dusk", 28, 11.0, 5.5, 60, 0.25),
    Spot("motorway", "rain", 190, 15.0, 5.2, 75, 0.35),
    Spot("car park", "overcast", -75, 7.5, 2.6, 40, 0.10),
)


def write_sample(folder: Path, seed: int) -> None:
    """Write the sample into `folder`; parts that are there already are left alone."""
    for name, write in (("photos", _write_photos), ("reid", _write_gallery), ("plate_crops", _write_plates)):
        finished = folder / ("detection.parquet" if name == "photos" else f"{name}.parquet")
        if not finished.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write(folder, seed)
        print(f"{finished}: {finished.stat().st_size / 1e6:.1f} MB", flush=True)


def _write_photos(folder: Path, seed: int) -> None:
    photos = folder / "photos"
    photos.mkdir(exist_ok=True)
    frames = folder / ".frames"
    for number in PHOTOS.values():
        render_set(seed, number, PRESETS["photos"], frames)
    labels = {}
    for name, number in PHOTOS.items():
        shutil.copy(frames / f"{number:05d}-00.jpg", photos / f"{name}.jpg")
        labels[f"{name}.jpg"] = json.loads((frames / f"{number:05d}-00.json").read_text())
    (photos / "labels.json").write_text(json.dumps(labels, indent=1) + "\n")
    write_table(frames, folder / "detection.parquet", split=SPLIT)
    shutil.rmtree(frames)


def _write_gallery(folder: Path, seed: int) -> None:
    seen = [_write_camera(folder, seed, camera) for camera in range(1, len(SPOTS) + 1)]
    gallery = pa.concat_tables(pq.read_table(path) for path in seen)
    pq.write_table(gallery.sort_by([("vehicle_id", "ascending"), ("camera_id", "ascending")]), folder / "reid.parquet")
    shutil.rmtree(folder / ".cameras")


def _write_camera(folder: Path, seed: int, camera_id: int) -> Path:
    """One camera's views, in a file of their own: there they stay when the rest is broken off."""
    path = folder / ".cameras" / f"{camera_id}.parquet"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        chosen = list(islice(draw_identities(seed), _GALLERY_FROM, _GALLERY_FROM + _IDENTITIES))
        rows = list(_seen_at(SPOTS[camera_id - 1], camera_id, chosen, seed))
        unfinished = path.with_suffix(".part")
        pq.write_table(pa.Table.from_pylist(rows), unfinished)
        unfinished.rename(path)
    return path


def _seen_at(spot: Spot, camera_id: int, identities: list[Identity], seed: int) -> Iterator[dict[str, Any]]:
    from data_tools.render.labels import Eye

    rng = np.random.default_rng((seed, 11, camera_id))
    workshop, place = _empty_place(spot.place, spot.light, rng, samples=8)
    slot = next(slot for slot in place.slots if slot.x > 4 and (slot.y > 0 or spot.place == "car park"))
    for identity in identities:
        vehicle = workshop.build(identity)
        _stand(vehicle, slot.x + rng.normal(0, 0.8), slot.y + rng.normal(0, 0.2), slot.heading + rng.normal(0, 0.03))
        camera = _looking_at(vehicle, spot, rng)
        (seen,) = Eye([vehicle]).look(camera, least=0.05)
        window = _widened(seen.visible_box, 0.06, camera.width, camera.height)
        image = finish(render_view(camera, window), spot.roughness, rng)
        values = describe(seen, [vehicle])
        yield {
            "image": {"bytes": _encoded(image), "path": f"vehicle{identity.number}_camera{camera_id}.jpg"},
            "split": SPLIT,
            "vehicle_id": identity.number,
            "camera_id": camera_id,
            **{name: values[name] for name in ("type", "make", "model", "year", "colour", "viewpoint", "plate_text")},
            "light": spot.light,
        }
        _remove(vehicle)


def _write_plates(folder: Path, seed: int) -> None:
    rng = np.random.default_rng((seed, 13))
    rows = []
    lights: tuple[LightKind, ...] = ("sun", "overcast", "night")
    for part, light in enumerate(lights):
        workshop, place = _empty_place("street", light, rng, samples=24)
        slot = next(slot for slot in place.slots if slot.x > 4 and slot.y > 0)
        for number in range(part, _PLATES, len(lights)):
            rows.append(_close_up(number, workshop, slot, light, rng, seed))
    rows.sort(key=lambda row: row["image"]["path"])
    pq.write_table(pa.Table.from_pylist(rows), folder / "plate_crops.parquet")


def _close_up(number: int, workshop: Any, slot: Any, light: str, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    from data_tools.render.camera import Camera
    from data_tools.render.labels import in_world

    layout = LAYOUTS[number % len(LAYOUTS)]
    stream = draw_identities(seed + _PLATES_FROM + number, layout.name)
    identity = next(item for item in stream if item.model.body.type not in ("motorcycle", "truck", "bus"))
    vehicle = workshop.build(identity)
    _stand(vehicle, slot.x, slot.y, slot.heading)
    quad = in_world(vehicle, vehicle.plates[number // len(LAYOUTS) % 2])
    middle = quad.mean(axis=0)
    outwards = np.cross(quad[3] - quad[0], quad[1] - quad[0])
    outwards /= np.linalg.norm(outwards)
    turn, distance = math.radians(float(rng.uniform(-38, 38))), float(rng.uniform(2.2, 5.0))
    c, s = math.cos(turn), math.sin(turn)
    at = middle + distance * np.array([outwards[0] * c - outwards[1] * s, outwards[0] * s + outwards[1] * c, 0.0])
    at[2] += float(rng.uniform(0.2, 1.1))
    aim = middle + rng.normal(0, 0.02, 3)
    camera = Camera("phone", _triple(at), _triple(aim), 60.0, 1280, 960)
    corners, _ = camera.project(quad)
    box = (*corners.min(axis=0), *corners.max(axis=0))
    window = _widened(box, 0.14, camera.width, camera.height)
    roughness = float(rng.random() * 0.5)
    image = finish(render_view(camera, window), roughness, rng)
    inside = (corners - np.array(window[:2])) / (np.array(window[2:]) - np.array(window[:2]))
    _remove(vehicle)
    return {
        "image": {"bytes": _encoded(image), "path": f"{number:02d}_{layout.name}.jpg"},
        "split": SPLIT,
        "source": f"drawn_{layout.name}",
        "text": identity.plate.text,
        "prefix": "",
        "corners": inside.tolist(),
        "light": light,
    }


def _empty_place(kind: PlaceKind, light: LightKind, rng: np.random.Generator, samples: int) -> tuple[Any, Any]:
    from data_tools.render import blender, world
    from data_tools.render.vehicle import Workshop

    scene = blender.empty_scene()
    place = world.build_place(kind, light, rng)
    set_up_cycles(scene, samples, 0, light)
    return Workshop(1.0, LAMP_GLOW.get(light, 2.0)), place


def _looking_at(vehicle: Any, spot: Spot, rng: np.random.Generator) -> Any:
    from data_tools.render.camera import Camera
    from data_tools.render.labels import in_world

    middle = in_world(vehicle, 0.5 * (vehicle.points.min(axis=0) + vehicle.points.max(axis=0))[None])[0]
    heading = vehicle.root.rotation_euler[2]
    turn = math.radians(spot.azimuth) + heading
    # Long vehicles are seen from further off.
    away = spot.distance + 0.8 * max(0.0, vehicle.identity.model.body.length - 4.7)
    at = middle + away * np.array([-math.cos(turn), -math.sin(turn), 0.0])
    at[2] = spot.height
    return Camera("phone", _triple(at), _triple(middle + rng.normal(0, 0.1, 3)), spot.focal, 640, 448)


def _stand(vehicle: Any, x: float, y: float, heading: float) -> None:
    import bpy

    vehicle.root.location = (x, y, 0)
    vehicle.root.rotation_euler = (0, 0, heading)
    bpy.context.view_layer.update()


def _remove(vehicle: Any) -> None:
    import bpy

    for thing in (*vehicle.objects, vehicle.root):
        bpy.data.objects.remove(thing)


def _widened(
    box: tuple[float, float, float, float], margin: float, width: int, height: int
) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box
    dx, dy = (x2 - x1) * margin, (y2 - y1) * margin
    return max(0.0, x1 - dx), max(0.0, y1 - dy), min(float(width), x2 + dx), min(float(height), y2 + dy)


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
