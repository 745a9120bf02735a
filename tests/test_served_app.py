"""The running app from outside: how fast it starts, what it answers, and that many may ask at once."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from PIL import Image

from data_tools.load_test import put_under_load
from data_tools.serving import ServedApp, served_app
from tests.annotation.drawn_plates import new_item
from tests.graphs import write_checkpoint, write_reader
from vehicle_demo.annotation.store import ANSWER, Said, Store


def test_starts_fast_and_small() -> None:
    starts = []
    for _ in range(2):  # the faster of two: what other programs take of the machine is not the app's
        with served_app() as fresh:
            starts.append(fresh.start_seconds)
            assert fresh.resident_mb() < 700
    assert min(starts) < 12  # 5 to 6 s alone; at the end of the whole suite more than 9 were seen


def test_recognize_answers_with_the_contract(app: ServedApp, photo: Path) -> None:
    answer = Client(app.url, verbose=False).predict(handle_file(str(photo)), "", api_name="/recognize")
    assert set(answer) == {"checkpoint", "heads_version", "image", "timings_ms", "vehicles"}
    assert answer["checkpoint"] == "vehicledino-nano"
    assert answer["image"] == {"width": 1280, "height": 896}
    assert answer["vehicles"]
    areas = []
    for vehicle in answer["vehicles"]:
        x1, y1, x2, y2 = vehicle["box"]
        assert 0 <= x1 < x2 <= 1280 and 0 <= y1 < y2 <= 896
        assert len(vehicle["embedding"]) == 256 and len(vehicle["model"]) >= 5
        areas.append((x2 - x1) * (y2 - y1))
    assert areas == sorted(areas, reverse=True)


def test_a_plate_close_up_is_read_better_by_its_corners(app: ServedApp, tmp_path: Path) -> None:
    row = pq.read_table("vehicle_demo/samples/plate_crops.parquet").slice(3, 1).to_pylist()[0]
    path = tmp_path / "plate.jpg"
    path.write_bytes(row["image"]["bytes"])
    client = Client(app.url, verbose=False)
    with Image.open(path) as image:
        size = image.size
    corners = [[x * size[0], y * size[1]] for x, y in row["corners"]]
    (plate,) = client.predict(handle_file(str(path)), corners, "", api_name="/read_plate")["plates"]
    assert plate["text"] == row["text"] and len(plate["slots"]) == 8
    assert all(len(slot) == 3 and slot[0]["score"] >= slot[1]["score"] >= slot[2]["score"] for slot in plate["slots"])
    assert "".join(slot[0]["character"] for slot in plate["slots"]) == row["text"]
    assert len(plate["corners"]) == 4 and plate["box"][0] < plate["box"][2]
    (whole,) = client.predict(handle_file(str(path)), None, "", api_name="/read_plate")["plates"]
    assert whole["box"] == [0, 0, *size] and whole["corners"] is None
    with pytest.raises(AppError, match="four corners"):
        client.predict(handle_file(str(path)), [[1, 2]], "", api_name="/read_plate")


def test_every_plate_of_a_photo_is_read(app: ServedApp) -> None:
    answer = Client(app.url, verbose=False).predict(
        handle_file("vehicle_demo/samples/photos/avenue.jpg"), None, "", api_name="/read_plate"
    )
    width, height = answer["image"]["width"], answer["image"]["height"]
    assert len(answer["plates"]) >= 2
    for plate in answer["plates"]:
        x1, y1, x2, y2 = plate["box"]
        assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height and (x2 - x1) < width / 3
    scores = [plate["score"] for plate in answer["plates"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"nothing of the kind", "not a picture"), (b"", "empty"), (b"\xff\xd8\xff\xe0" * 9, "damaged|not a picture")],
)
def test_a_bad_file_gets_its_sentence(app: ServedApp, tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(AppError, match=words):
        Client(app.url, verbose=False).predict(handle_file(str(path)), "", api_name="/recognize")


def test_an_unknown_checkpoint_gets_its_sentence(app: ServedApp, photo: Path) -> None:
    with pytest.raises(AppError, match="There is no checkpoint"):
        Client(app.url, verbose=False).predict(handle_file(str(photo)), "gone", api_name="/recognize")


def test_only_what_reads_is_public(app: ServedApp) -> None:
    endpoints = Client(app.url, verbose=False).view_api(return_format="dict")["named_endpoints"]
    assert sorted(endpoints) == ["/read_plate", "/recognize", "/search"]


def test_an_assistant_finds_and_calls_the_tool(app: ServedApp, photo: Path) -> None:
    async def ask() -> tuple[list[str], str]:
        async with (
            streamablehttp_client(f"{app.url}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            picture = "data:image/jpeg;base64," + base64.b64encode(photo.read_bytes()).decode()
            answer = await session.call_tool("recognize", {"image": picture})
            return [tool.name for tool in tools], str(answer.content[0])

    names, text = asyncio.run(ask())
    assert sorted(names) == ["read_plate", "recognize", "search"]
    assert "'vehicles': [{'box'" in text


def test_what_was_said_is_sent_away_when_the_app_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEHICLE_DEMO_DATASET", str(tmp_path / "far"))
    checkpoint = write_checkpoint(tmp_path / "checkpoint", reader="reader.onnx")
    write_reader(checkpoint / "reader.onnx", "READER1")
    with served_app(str(checkpoint), home=tmp_path):
        store = Store(tmp_path / "labels")
        (number,) = store.add([new_item(1)])
        store.record(Said(number, "ann", ANSWER, "the last one", "LAST"))
    assert any(b"the last one" in shard.read_bytes() for shard in (tmp_path / "far/shards").iterdir())


def test_answers_a_crowd() -> None:
    figures = put_under_load(None, clients=4, in_flight=8, seconds=15)
    assert figures.errors == ()
    assert figures.answers >= 8
    assert figures.growth < 0.25  # the short run still warms up; the figure of the long one is in the README


def test_recognize_tells_what_is_new_to_a_gallery(app: ServedApp, photo: Path) -> None:
    client = Client(app.url, verbose=False)
    answer = client.predict(handle_file(str(photo)), "", "drawn", api_name="/recognize")
    # The rows of `drawn` are made up: nothing in a picture is near them.
    assert answer["vehicles"] and all(set(vehicle["novelty"]) == {"score", "known"} for vehicle in answer["vehicles"])
    assert all(not vehicle["novelty"]["known"] and vehicle["novelty"]["score"] > 1 for vehicle in answer["vehicles"])
    with pytest.raises(AppError, match=r"There is no gallery of that name\. Choose one of: sample, drawn"):
        client.predict(handle_file(str(photo)), "", "nowhere", api_name="/recognize")


def test_a_huge_picture_is_answered(app: ServedApp, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.new("RGB", (4000, 3000), (120, 130, 140)).save(path)
    answer = Client(app.url, verbose=False).predict(handle_file(str(path)), "", api_name="/recognize")
    assert answer["image"] == {"width": 4000, "height": 3000}
