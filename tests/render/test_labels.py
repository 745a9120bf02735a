"""Labels of rendered frames against what Blender itself sees. Needs Blender's Python module."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

bpy = pytest.importorskip("bpy", reason="needs data_tools/render/requirements.txt")

from data_tools.readers import parquet  # noqa: E402
from data_tools.render import blender  # noqa: E402
from data_tools.render.camera import Camera  # noqa: E402
from data_tools.render.frames import PRESETS, render_set  # noqa: E402
from data_tools.render.identity import draw_identities  # noqa: E402
from data_tools.render.labels import Eye, in_world  # noqa: E402
from data_tools.render.table import write_table  # noqa: E402
from data_tools.render.vehicle import Built, Workshop  # noqa: E402

CAMERA = Camera("phone", (-6.0, 5.0, 1.6), (2.0, 0.0, 0.7), 30.0, 320, 224)
SMALL = replace(PRESETS["train"], width=160, height=112, samples=1, views=2, vehicles=4, least=1, detail=0.1)


@pytest.fixture(scope="module")
def parked() -> list[Built]:
    """Two cars, the second half hidden behind the first."""
    blender.empty_scene()
    workshop = Workshop(detail=0.1)
    stream = (i for i in draw_identities(0) if i.model.body.type in ("sedan", "suv", "hatchback"))
    vehicles = [workshop.build(next(stream)) for _ in range(2)]
    vehicles[1].root.location = (2.5, -3.0, 0)
    bpy.context.view_layer.update()
    return vehicles


def test_a_projected_point_falls_where_blender_puts_it(parked: list[Built]) -> None:
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    thing = CAMERA.place_in_scene()
    bpy.context.view_layer.update()
    points = np.array([[0, 0, 0.3], [4, 1, 1.2], [2, -2, 0.0]])
    theirs = [world_to_camera_view(bpy.context.scene, thing, Vector(point)) for point in points]
    pixels, depth = CAMERA.project(points)
    np.testing.assert_allclose(pixels[:, 0], [view.x * CAMERA.width for view in theirs], atol=0.01)
    np.testing.assert_allclose(pixels[:, 1], [(1 - view.y) * CAMERA.height for view in theirs], atol=0.01)
    np.testing.assert_allclose(depth, [view.z for view in theirs], atol=1e-4)


def test_boxes_agree_with_the_index_pass_within_two_pixels(parked: list[Built]) -> None:
    seen = {item.identity: item for item in Eye(parked).look(CAMERA)}
    front, behind = (seen[vehicle.identity.number] for vehicle in parked)
    assert front.visible == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(front.box, front.visible_box, atol=2)
    assert 0.25 <= behind.visible < 0.95


def test_plate_corners_lie_on_the_plate(parked: list[Built]) -> None:
    camera = replace(CAMERA, at=(-5.0, 0.6, 1.2), aim=(1.0, 0.0, 0.6))
    (item,) = (item for item in Eye(parked).look(camera) if item.identity == parked[0].identity.number)
    assert item.plate is not None
    corners = np.array(item.plate)
    world = in_world(parked[0], parked[0].plates[0])
    np.testing.assert_allclose(corners, camera.project(world)[0], atol=1e-6)
    assert corners[0, 0] < corners[1, 0] and corners[0, 1] < corners[3, 1]  # read from the left, the right way up
    plate = [thing for thing in parked[0].objects if thing.name.startswith("plate")]
    rows, columns = [int(v) for v in corners[:, 1]], [int(v) for v in corners[:, 0]]
    alone = replace(parked[0], objects=tuple(plate))
    index, _ = Eye([alone]).index_pass(camera, {0: (min(columns) - 4, min(rows) - 4, max(columns) + 4, max(rows) + 4)})
    shown = np.argwhere(index == 0)
    np.testing.assert_allclose(shown.min(axis=0), [corners[:, 1].min(), corners[:, 0].min()], atol=2)
    np.testing.assert_allclose(shown.max(axis=0) + 1, [corners[:, 1].max(), corners[:, 0].max()], atol=2)


def test_two_fleets_in_one_workshop_wear_their_own_plates() -> None:
    """Both fleets count their vehicles from 0; once the second wore the plates of the first."""
    blender.empty_scene()
    workshop = Workshop(detail=0.1)
    shown = []
    for seed in (0, 1):
        vehicle = workshop.build(next(i for i in draw_identities(seed) if i.model.body.type != "motorcycle"))
        (plate, *_) = (thing for thing in vehicle.objects if thing.name.startswith("plate"))
        nodes = plate.data.materials[0].node_tree.nodes
        shown.append(next(node.image.name for node in nodes if node.type == "TEX_IMAGE"))
        assert vehicle.identity.plate.text in shown[-1]
    assert shown[0] != shown[1]


def test_a_frame_comes_again_from_its_seed_and_a_killed_run_goes_on(tmp_path: Path) -> None:
    assert render_set(5, 0, SMALL, tmp_path / "a") == 2
    first = np.asarray(Image.open(tmp_path / "a/00000-01.jpg"), dtype=float)
    (tmp_path / "a/00000-01.json").unlink()  # as if killed between picture and label
    assert render_set(5, 0, SMALL, tmp_path / "a") == 1
    again = np.asarray(Image.open(tmp_path / "a/00000-01.jpg"), dtype=float)
    assert np.abs(first - again).mean() < 1.5
    assert render_set(5, 0, SMALL, tmp_path / "a") == 0
    assert write_table(tmp_path / "a", tmp_path / "drawn.parquet") == 2
    labels = json.loads((tmp_path / "a/00000-00.json").read_text())["vehicles"]
    (picture, _) = parquet.read(tmp_path, "drawn")
    vehicles = [box for box in picture.boxes if box.label != "plate"]
    assert [box.label for box in vehicles] == [vehicle["category"] for vehicle in labels]
    row = pq.read_table(tmp_path / "drawn.parquet").to_pylist()[0]
    assert len(row["colours"]) == len(row["vehicle_ids"]) == len(labels)
