"""Rank lists: look-alikes, filters, re-ranking, plates, and what the labels say of a result."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.drawn_gallery import CAMERAS, drawn_items, unit_clusters
from vehicle_demo.gallery.gallery import Gallery, Item, Selection
from vehicle_demo.gallery.rank_figure import rank_figure
from vehicle_demo.gallery.ranking import Query, Ranked, Verdict, by_plate, joined, look_alikes, reranked, verdict

ROWS = 60
PLATES = ("B MX 1234", "BMX-1Z34", "8MX1234", "BMW 1234", "HH AB 99", "")


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    gallery = Gallery(tmp_path, "nano")
    gallery.add(unit_clusters(ROWS), drawn_items(ROWS))
    return gallery


def query_of(gallery: Gallery, row: int) -> Query:
    return Query(gallery.storage.items([row])[0], gallery.embeddings([row])[0])


def rows(ranked: list[Ranked]) -> list[int]:
    return [place.hit.row for place in ranked]


def test_look_alikes_are_the_same_vehicle_before_others_and_never_the_query(gallery: Gallery) -> None:
    query = query_of(gallery, 8)
    found = look_alikes(gallery, query, 10)
    assert len(found) == 10 and sorted(rows(found)[: CAMERAS - 1]) == [6, 7, 9, 10, 11]
    told = [verdict(query.item, place.hit.item) for place in found]
    assert told == [Verdict.SAME] * 5 + [Verdict.OTHER] * 5


def test_several_pictures_ask_as_one_and_none_of_them_is_an_answer(gallery: Gallery) -> None:
    same = joined(gallery.storage.items([6, 7]), gallery.embeddings([6, 7]))
    assert np.linalg.norm(same.embedding) == pytest.approx(1) and same.item.vehicle_id == "V1" and not same.item.camera
    assert sorted(rows(look_alikes(gallery, same, 4))) == [8, 9, 10, 11]
    apart = joined(gallery.storage.items([6, 12]), gallery.embeddings([6, 12]))
    assert apart.item.vehicle_id == "" and apart.item.picture == same.item.picture
    # Nearest to both are the other pictures of either vehicle.
    assert set(rows(look_alikes(gallery, apart, 10))) == {*range(7, 12), *range(13, 18)}
    with pytest.raises(ValueError, match="nothing in common"):
        joined(gallery.storage.items([6, 7]), np.stack([same.embedding, -same.embedding]))


def test_the_querys_camera_can_be_left_out_and_filters_combined(gallery: Gallery) -> None:
    query = query_of(gallery, 8)  # camera 2
    elsewhere = look_alikes(gallery, query, ROWS, Selection(not_camera="2"))
    assert len(elsewhere) == ROWS - ROWS // CAMERAS and {place.hit.item.camera for place in elsewhere} == set("01345")
    one = look_alikes(gallery, query, ROWS, Selection(camera="4", type=query.item.type))
    assert one and {(place.hit.item.camera, place.hit.item.type) for place in one} == {("4", query.item.type)}
    assert look_alikes(gallery, query, 5, Selection(make="nobody")) == []


def test_without_an_identity_nothing_is_called_right_or_wrong() -> None:
    known, unknown = Item("a", vehicle_id="7"), Item("b")
    assert verdict(unknown, known) is None
    assert verdict(known, unknown) is Verdict.UNKNOWN


def test_reranking_says_how_far_each_has_moved(gallery: Gallery) -> None:
    query = query_of(gallery, 8)
    before, after = rows(look_alikes(gallery, query, ROWS)), reranked(gallery, query, ROWS)
    assert sorted(rows(after)) == sorted(before)
    for place, ranked in enumerate(after):
        assert before.index(ranked.hit.row) - ranked.moved == place
    assert any(ranked.moved > 0 for ranked in after) and any(ranked.moved < 0 for ranked in after)
    assert sorted(rows(after)[:5]) == [6, 7, 9, 10, 11]
    # Scores stay cosines, so the match threshold means the same in both orders.
    cosine = {place.hit.row: place.hit.score for place in look_alikes(gallery, query, ROWS)}
    assert all(ranked.hit.score == pytest.approx(cosine[ranked.hit.row], abs=1e-5) for ranked in after)


def test_reranking_an_empty_choice_is_no_error(gallery: Gallery) -> None:
    assert reranked(gallery, query_of(gallery, 0), 10, Selection(camera="99")) == []


@pytest.fixture
def plates(tmp_path: Path) -> Gallery:
    gallery = Gallery(tmp_path, "nano")
    items = [replace(item, plate=plate) for item, plate in zip(drawn_items(len(PLATES)), PLATES, strict=True)]
    gallery.add(unit_clusters(len(PLATES)), items)
    return gallery


@pytest.mark.parametrize("text", ["BMX1234", "b-mx 1234", "B MX 12 34"])
def test_a_plate_is_found_however_it_is_spaced(plates: Gallery, text: str) -> None:
    found = by_plate(plates, text, 10)
    assert (found[0].hit.row, found[0].hit.score) == (0, 1.0)
    assert [place.hit.score for place in found] == sorted((place.hit.score for place in found), reverse=True)
    assert 4 not in rows(found) and 5 not in rows(found)  # too far off, and none at all


def test_letters_that_look_alike_come_before_other_misreadings(plates: Gallery) -> None:
    found = rows(by_plate(plates, "BMX1234", 10))
    assert found.index(2) < found.index(3)  # 8 for B costs less than W for X
    assert rows(by_plate(plates, "BMX1234", 1)) == [0]


def test_filters_hold_for_plates_too(plates: Gallery) -> None:
    assert 0 not in rows(by_plate(plates, "BMX1234", 10, Selection(not_camera="0")))


@pytest.mark.parametrize(("kind", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_figure_is_a_file_of_its_kind_with_letters_as_letters(gallery: Gallery, kind: str, magic: bytes) -> None:
    query = query_of(gallery, 8)
    ranked = look_alikes(gallery, query, 12)
    told = [verdict(query.item, place.hit.item) for place in ranked]
    file = rank_figure(query.item.thumbnail, "query $x_1$", ranked, told, kind)
    assert file.startswith(magic)
    if kind == "svg":
        text = file.decode()
        assert "query $x_1$" in text and f"1  {ranked[0].hit.score:.3f} \u2713" in text and "10  " in text
        assert "11  " not in text
    if kind == "pdf":
        assert b"/Type3" not in file  # journals refuse these fonts
    if kind == "png":
        with Image.open(io.BytesIO(file)) as image:
            width, height = image.size
        assert width > 2000 and width / height == pytest.approx(12.5, abs=1.5)


def test_a_figure_of_a_plate_and_of_few_results_is_drawn(gallery: Gallery) -> None:
    found = look_alikes(gallery, query_of(gallery, 8), 2)
    assert rank_figure(b"", "AB 12", found, [None, None], "png").startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="png, svg, pdf"):
        rank_figure(b"", "AB 12", found, [None, None], "exe")


def test_all_embeddings_alike_keep_an_order(tmp_path: Path) -> None:
    """Collapsed embeddings must neither fail nor lose rows."""
    gallery = Gallery(tmp_path, "nano", 4)
    vectors = np.tile(np.array([1, 0, 0, 0], np.float32), (10, 1))
    gallery.add(vectors, drawn_items(10))
    query = query_of(gallery, 3)
    assert sorted(rows(reranked(gallery, query, 20))) == [row for row in range(10) if row != 3]
    assert rows(look_alikes(gallery, query, 20)) == rows(look_alikes(gallery, query, 20))
