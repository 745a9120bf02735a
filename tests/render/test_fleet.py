"""The drawn fleet before anything is rendered: catalogue, shapes, maps, plates and identities."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from data_tools.drawing import plates
from data_tools.render.body import Surface, body_maps, body_mesh, wheel_places
from data_tools.render.catalogue import YEARS, BodyType, Model, models
from data_tools.render.identity import draw_identities
from data_tools.render.parts import dented, sticker

MODELS = {model.model: model for model in models() if model.year == YEARS[-1]}
WITH_BODY = [name for name, model in MODELS.items() if model.body.type != "motorcycle"]


def test_eight_makes_with_three_models_each_cover_every_body_type() -> None:
    assert len({model.make for model in models()}) == 8
    assert len(MODELS) == 24 and len(models()) == 72
    assert {model.body.type for model in models()} == set(BodyType.__args__)  # type: ignore[attr-defined]
    assert len({model.name for model in models()}) == 72


@pytest.mark.parametrize("name", WITH_BODY)
def test_bodies_have_the_size_they_claim_and_no_holes(name: str) -> None:
    body = MODELS[name].body
    mesh = body_mesh(Surface(body))
    extent = mesh.vertices.max(axis=0) - mesh.vertices.min(axis=0)
    np.testing.assert_allclose(extent[0], body.length, rtol=0.01)
    np.testing.assert_allclose(extent[1], body.width, rtol=0.03)
    np.testing.assert_allclose(mesh.vertices[:, 2].max(), body.height, rtol=0.03)
    assert mesh.vertices[:, 2].min() >= body.clearance - 0.01
    assert np.isfinite(mesh.vertices).all() and mesh.faces.max() < len(mesh.vertices)


@pytest.mark.parametrize("name", WITH_BODY)
def test_maps_open_the_arches_and_glaze_the_cabin(name: str) -> None:
    model = MODELS[name]
    surface = Surface(model.body)
    maps = body_maps(model, surface, detail=0.3)
    height, width = maps.glass.shape
    points = surface.points((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    front = wheel_places(model.body)[0]
    arch = np.hypot(points[..., 0] - front, points[..., 2] - model.body.wheel_radius) < 0.9 * model.body.wheel_radius
    assert maps.cut[arch & (points[..., 1] > 0.45 * model.body.width)].mean() > 0.9
    glazed = maps.glass > 0.5
    assert 0.02 < glazed.mean() < 0.45
    shoulder = min(height for _, height in model.body.belt)
    assert points[..., 2][glazed].min() > 0.95 * shoulder
    assert not (glazed & (maps.headlamp > 0.5)).any()


def test_a_model_year_changes_the_face() -> None:
    old, new = (next(m for m in models() if m.model == "Lys" and m.year == year) for year in (YEARS[0], YEARS[-1]))
    assert not np.array_equal(_front(old), _front(new))


def _front(model: Model) -> np.ndarray:
    maps = body_maps(model, Surface(model.body), detail=0.2)
    return np.stack([maps.headlamp, maps.trim])


def test_plates_are_readable_texts_in_eight_styles() -> None:
    rng = np.random.default_rng(0)
    for layout in plates.LAYOUTS:
        plate = plates.make_up(rng, layout.name)
        assert 5 <= len(plate.text) <= 8 and plate.text.isalnum()
        image = plates.draw(plate, height=64)
        assert image.height == 64
        assert abs(image.width / image.height - layout.size_mm[0] / layout.size_mm[1]) < 0.05
        other = plates.draw(plates.Plate(layout.name, plate.text[::-1]), height=64)
        assert np.asarray(image).tobytes() != np.asarray(other).tobytes() or plate.text == plate.text[::-1]
    with pytest.raises(KeyError):
        plates.make_up(rng, "martian")


def test_identities_are_the_same_for_a_seed_and_never_share_paint_and_plate() -> None:
    first, again = (list(islice(draw_identities(3), 400)) for _ in range(2))
    assert first == again
    assert list(islice(draw_identities(4), 5)) != first[:5]
    assert len({(identity.paint, identity.plate) for identity in first}) == 400
    assert len({identity.plate for identity in first}) == 400
    assert {identity.model.body.type for identity in first} == set(BodyType.__args__)  # type: ignore[attr-defined]


def test_stickers_and_dents_lie_on_their_flank() -> None:
    body = MODELS["Lys"].body
    surface = Surface(body)
    mesh = body_mesh(surface)
    at = surface.flank(np.array([0.5]), np.array([0.3]))[0, 0]
    dent = dented(mesh, at, 0.16)
    moved = np.abs(dent.vertices - mesh.vertices).max(axis=1)
    assert 0.005 < moved.max() < 0.03
    assert (np.linalg.norm(mesh.vertices - at, axis=1)[moved > 0.002] < 0.4).all()
    patch = sticker(body, surface, 0.5, 0.3, -1, 0.15)
    assert (patch.vertices[:, 1] < 0).all()
    nearest = [np.linalg.norm(mesh.vertices - point, axis=1).min() for point in patch.vertices]
    assert max(nearest) < 0.06
