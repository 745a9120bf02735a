"""From picture to vehicles, on graphs whose answers are known."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image

from tests.graphs import write_checkpoint, write_graph
from vehicle_demo.recognition import Box, CheckpointError, Recognizer

COUNTED = ("categories", "types", "makes", "models")
GREY = Image.new("RGB", (200, 100), (90, 90, 90))


def test_published_signature_runs_unchanged(tmp_path: Path) -> None:
    """560 px, one picture at a time, 5 categories, 8 types, 42 makes, 323 models, no tensors of ours."""
    boxes = [(0.25, 0.5, 0.4, 0.4), (0.75, 0.5, 0.2, 0.2)]
    graph = write_graph(tmp_path / "vehicledino_dinov2_int8.onnx", boxes, [0.9, 0.8], size=560, batch=1)
    recognizer = Recognizer.from_checkpoint(graph)
    found = recognizer.recognize(GREY)
    assert recognizer.input_size == 560
    assert [v.box.to_list() for v in found.vehicles] == [[10.0, 30.0, 90.0, 70.0], [130.0, 40.0, 170.0, 60.0]]
    large = found.vehicles[0]
    assert large.category.label == "category 1" and large.category.score == pytest.approx(0.9, abs=1e-4)
    assert (large.type[0].label, large.make[0].label, large.model[0].label) == ("type 2", "make 3", "model 4")
    assert len(large.model) == len(recognizer.checkpoint.labels.models) and large.embedding.shape == (256,)
    assert large.plate is not None and large.plate.text == "AB12" and large.plate.box is None
    assert len(recognizer.recognize_batch([GREY, GREY, GREY])) == 3


def test_answer_has_the_contracts_keys(tmp_path: Path) -> None:
    answer = Recognizer.from_checkpoint(write_checkpoint(tmp_path)).recognize(GREY).to_dict()
    assert json.loads(json.dumps(answer)) == answer
    assert set(answer) == {"checkpoint", "heads_version", "image", "timings_ms", "vehicles"}
    assert answer["image"] == {"width": 200, "height": 100}
    (vehicle,) = answer["vehicles"]
    assert set(vehicle) == {
        "box",
        "category",
        "type",
        "make",
        "model",
        "novelty",
        "plate",
        "embedding",
        "colour",
        "levels",
    }
    assert [scored["label"] for scored in vehicle["colour"]] == ["colour b", "colour a", "colour c"]
    assert vehicle["category"]["label"] == "suv"
    assert vehicle["plate"]["text"] == "AB12" and len(vehicle["plate"]["characters"]) == 4
    # The crop is the box widened by 5 %, at whole pixels: 45..155 x 23..78; the plate lies at (0.5, 0.7), 0.3 x 0.1.
    assert vehicle["plate"]["box"] == pytest.approx([83.5, 58.75, 116.5, 64.25], abs=0.1)


def test_the_last_digits_of_a_box_do_not_change_what_the_graph_is_shown(tmp_path: Path) -> None:
    """They differ from machine to machine; an INT8 graph then named vehicles otherwise in a browser than in Python."""
    recognizer = Recognizer.from_checkpoint(write_checkpoint(tmp_path))
    boxes = [Box(10.2, 20.7, 100.3, 80.1), Box(10.20001, 20.69999, 100.30001, 80.1)]
    windows = [recognizer.window(box, (200, 100), alone=False) for box in boxes]
    assert windows[0] == windows[1] == Box(6, 18, 105, 83)


def test_a_graph_that_knows_no_colours_tells_none(tmp_path: Path) -> None:
    graph = write_graph(tmp_path / "m.onnx", [(0.5, 0.5, 0.5, 0.5)], [0.9])
    (vehicle,) = Recognizer.from_checkpoint(graph).recognize(GREY).to_dict()["vehicles"]
    assert vehicle["colour"] == [] and len(vehicle["model"]) == 5


def test_boxes_are_clipped_and_doubles_dropped(tmp_path: Path) -> None:
    boxes = [(0.0, 0.5, 0.5, 0.5), (0.01, 0.5, 0.5, 0.5), (0.9, 0.5, 0.4, 0.4), (0.5, 0.5, 0.2, 0.2)]
    graph = write_graph(tmp_path / "m.onnx", boxes, [0.7, 0.9, 0.8, 0.1])
    found = Recognizer.from_checkpoint(graph).recognize(GREY)
    assert [round(v.category.score, 1) for v in found.vehicles] == [0.9, 0.8]
    assert all(0 <= v.box.x1 < v.box.x2 <= 200 and 0 <= v.box.y1 < v.box.y2 <= 100 for v in found.vehicles)
    assert len(found.above(0.85).vehicles) == 1


def test_how_far_two_boxes_may_overlap_is_the_checkpoints_to_say(tmp_path: Path) -> None:
    """Two cars side by side share half of their boxes' union: one checkpoint tells them apart, another cannot."""
    boxes = [(0.4, 0.5, 0.3, 0.4), (0.5, 0.5, 0.3, 0.4), (0.5, 0.5, 0.3, 0.4)]
    for same_object, expected in ((0.75, [0.9, 0.8]), (0.5, [0.9])):
        folder = write_checkpoint(tmp_path / str(same_object), same_object=same_object)
        write_graph(folder / "model.onnx", boxes, [0.9, 0.8, 0.7], counts=dict(zip(COUNTED, (6, 4, 5, 7), strict=True)))
        found = Recognizer.from_checkpoint(folder).recognize(GREY)
        assert [round(v.category.score, 1) for v in found.vehicles] == expected


def test_one_vehicle_that_fills_the_picture_needs_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = write_graph(tmp_path / "m.onnx", [(0.5, 0.5, 0.95, 0.95)], [0.9])
    recognizer = Recognizer.from_checkpoint(graph)
    passes = []
    run = recognizer.graph.run

    def counted(pictures: np.ndarray) -> dict[str, np.ndarray]:
        passes.append(len(pictures))
        return run(pictures)

    monkeypatch.setattr(recognizer.graph, "run", counted)
    assert len(recognizer.recognize(GREY).vehicles) == 1
    assert passes == [1]


def test_nothing_found_is_an_answer(tmp_path: Path) -> None:
    graph = write_graph(tmp_path / "m.onnx", [], [])
    assert Recognizer.from_checkpoint(graph).recognize(GREY).vehicles == ()


def test_threads_and_batches_agree_with_one_at_a_time(tmp_path: Path) -> None:
    recognizer = Recognizer.from_checkpoint(write_checkpoint(tmp_path))
    pictures = [Image.new("RGB", (160 + 8 * i, 120), (i * 12, 40, 200)) for i in range(12)]
    alone = [recognizer.recognize(picture).vehicles[0].embedding for picture in pictures]
    with ThreadPoolExecutor(6) as pool:
        together = [r.vehicles[0].embedding for r in pool.map(recognizer.recognize, pictures)]
    batched = [r.vehicles[0].embedding for r in recognizer.recognize_batch(pictures)]
    assert len({round(float(e[0]), 4) for e in alone}) > 6  # the answers differ by picture
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(batched, alone, atol=1e-6)


def test_label_names_come_from_the_graphs_metadata(tmp_path: Path) -> None:
    names = {"categories": ["car", "suv", "truck", "bus", "van"]}
    graph = write_graph(tmp_path / "m.onnx", [(0.5, 0.5, 0.4, 0.4)], [0.9], metadata={"labels": json.dumps(names)})
    vehicle = Recognizer.from_checkpoint(graph).recognize(GREY).vehicles[0]
    assert vehicle.category.label == "suv" and vehicle.make[0].label == "make 3"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"labels": {"makes": ["Audi"]}}, "names 1 makes, its graph has 5"),
        ({"tresholds": {}}, "unknown settings tresholds"),
        ({"thresholds": {"detecton": 1}}, "unknown settings detecton"),
        ({"format": 9}, "another format"),
        ({"graphs": {"int8": "model.onnx"}}, "has no fp32 graph; it has: int8"),
        ({"graphs": {"fp32": "gone.onnx"}}, "missing"),
    ],
)
def test_a_checkpoint_that_does_not_hold_together_says_why(tmp_path: Path, settings: dict, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        Recognizer.from_checkpoint(write_checkpoint(tmp_path, **settings))


def test_no_such_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        Recognizer.from_checkpoint(tmp_path / "gone")
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(CheckpointError, match=r"cannot load|can load"):
        Recognizer.from_checkpoint(tmp_path / "text.onnx")


def test_loads_a_published_graph_by_hub_id(tmp_path: Path) -> None:
    """The real Hub client against a local server that answers as the Hub does."""
    graph = write_graph(tmp_path / "vehicledino_dinov2.onnx", [(0.5, 0.5, 0.4, 0.4)], [0.9], size=560, batch=1)
    content = graph.read_bytes()

    class Hub(BaseHTTPRequestHandler):
        def _head(self) -> bool:
            found = self.path == "/someone/vehicledino/resolve/main/vehicledino_dinov2.onnx"
            self.send_response(200 if found else 404)
            if found:
                self.send_header("Content-Length", str(len(content)))
                self.send_header("ETag", '"abc"')
                self.send_header("X-Repo-Commit", "0" * 40)
            else:
                self.send_header("Content-Length", "0")
                self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
            return found

        def do_HEAD(self) -> None:
            self._head()

        def do_GET(self) -> None:
            if self._head():
                self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    code = """
import sys
from PIL import Image
from vehicle_demo.recognition import CheckpointError, Recognizer
recognizer = Recognizer.from_checkpoint("someone/vehicledino:vehicledino_dinov2.onnx")
assert recognizer.input_size == 560 and recognizer.checkpoint.name == "someone/vehicledino"
assert len(recognizer.recognize(Image.new("RGB", (100, 100))).vehicles) == 1
try:
    Recognizer.from_checkpoint("someone/else:gone.onnx")
except CheckpointError as error:
    assert "could it be fetched" in str(error)
    print("fine")
"""
    endpoint = f"http://127.0.0.1:{server.server_port}"
    environment = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hub"), "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    server.shutdown()
    assert result.stdout.strip() == "fine", result.stderr


def test_recognition_imports_neither_torch_nor_gradio() -> None:
    code = "import sys, vehicle_demo.recognition; print([m for m in ('torch', 'gradio') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert result.stdout.strip() == "[]", result.stderr
