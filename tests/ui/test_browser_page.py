"""The page of recognition in the browser as the server makes it, and its pixels as Node computes them."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_tools.__main__ import main
from tests.graphs import write_checkpoint
from vehicle_demo.recognition import Recognizer
from vehicle_demo.recognition.rectify import corners_of, rectified
from vehicle_demo.recognition.results import Box
from vehicle_demo.ui.browser_page import RUNTIME, build_page

BROWSER = Path("vehicle_demo/ui/static/browser").resolve()


def manifest_of(folder: Path, runtime: Path | None = None) -> dict[str, dict[str, object]]:
    content = build_page(Recognizer.from_checkpoint(folder), runtime=runtime).files["manifest.json"]
    assert isinstance(content, bytes)
    return json.loads(content)


def test_the_pinned_hashes_are_those_of_the_package(runtime: Path) -> None:
    for name, about in RUNTIME["files"].items():
        content = (runtime / name).read_bytes()
        integrity = f"sha384-{b64encode(hashlib.sha384(content).digest()).decode()}"
        assert {"bytes": len(content), "integrity": integrity} == about, name


def test_by_default_the_runtime_comes_from_the_cdn_at_its_version(tmp_path: Path) -> None:
    ways = manifest_of(write_checkpoint(tmp_path))["runtime"]
    assert set(ways) == {"wasm", "webgpu", "webgpu_asyncify"}
    for parts in ways.values():
        for part in parts.values():  # type: ignore[attr-defined]
            assert part["url"].startswith(f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{RUNTIME['version']}/dist/")
            assert part["integrity"].startswith("sha384-")


def test_a_folder_without_the_runtime_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="npm install --prefix"):
        manifest_of(write_checkpoint(tmp_path / "checkpoint"), tmp_path)


def test_the_manifest_has_the_checkpoint_as_python_completes_it(tmp_path: Path) -> None:
    manifest = manifest_of(write_checkpoint(tmp_path, crop_margin=0.1))
    assert manifest["checkpoint"]["crop_margin"] == 0.1
    assert manifest["checkpoint"]["labels"]["models"][0] == "model a"  # type: ignore[index]
    assert "folder" not in manifest["checkpoint"]
    assert manifest["limits"] == {"bytes": 32 * 2**20, "pixels": 64_000_000, "min_side": 16, "max_aspect": 20}


def test_the_worker_changes_whenever_the_page_does(tmp_path: Path) -> None:
    pages = [
        build_page(Recognizer.from_checkpoint(write_checkpoint(tmp_path / "checkpoint", plate_margin=margin)))
        for margin in (0.1, 0.1, 0.2)
    ]
    first, again, other = (page.files["sw.js"] for page in pages)
    assert first == again != other
    assert all(name.startswith("files/") for name in pages[0].kept)


def test_a_static_space_is_written_and_written_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint, space = write_checkpoint(tmp_path / "checkpoint"), tmp_path / "space"
    command = ["export", "--static-space", str(space), "--checkpoint", str(checkpoint)]
    main(command)
    assert f"{space}: " in capsys.readouterr().out
    front = (space / "README.md").read_text().split("---\n")[1]
    assert "sdk: static\n" in front and "custom_headers:\n  cross-origin-embedder-policy: require-corp\n" in front
    (space / "files" / "0-old.onnx").touch()
    (space / ".git").mkdir()
    main(command)
    assert (space / ".git").exists() and not (space / "files" / "0-old.onnx").exists()
    manifest = json.loads((space / "manifest.json").read_text())
    assert (space / manifest["graphs"]["fp32"]["url"]).stat().st_size == manifest["graphs"]["fp32"]["bytes"]


def test_an_export_needs_somewhere_to_go() -> None:
    with pytest.raises(SystemExit, match="--static-space"):
        main(["export", "--preset", "nano"])


SCRIPT = """
import fs from 'node:fs';
import {rectified} from 'BROWSER/geometry.js';
import {Pixels, stretched} from 'BROWSER/resampling.js';
const {width, height, boxes, plates} = JSON.parse(fs.readFileSync('asked.json'));
const picture = new Pixels(width, height, new Uint8Array(fs.readFileSync('picture.rgba')));
boxes.forEach(([box, size], place) => fs.writeFileSync(`box${place}`, stretched(picture, size, box, 2).data));
plates.forEach(([corners, size], place) => {
  fs.writeFileSync(`plate${place}`, rectified(picture, corners, size, 0.05, 8).data);
});
"""


def test_pixels_are_those_of_pillow_to_the_last_bit(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed: apt-get install npm")
    draw = np.random.default_rng(3)
    coarse = Image.fromarray(draw.integers(0, 255, (90, 160, 3), np.uint8))
    picture = coarse.resize((2500, 1407), Image.Resampling.BICUBIC)
    boxes = [
        ((0, 0, 2500, 1407), (320, 320)), ((10, 20, 330, 340), (320, 320)), ((3.3, 7.25, 41.9, 30.5), (128, 64)),
        ((0, 700.125, 2500, 1407), (160, 48)), ((1200, 3, 1500.5, 1406), (320, 320)),
    ]  # fmt: skip
    plates = [
        (((100.0, 90.0), (900.0, 120.0), (890.0, 400.0), (95.0, 330.0)), (160, 48)),
        (((2400.0, -20.0), (2560.0, 10.0), (2550.0, 60.0), (2390.0, 40.0)), (160, 48)),
        (corners_of(Box(30, 40, 60, 50)), (160, 48)),
    ]
    (tmp_path / "picture.rgba").write_bytes(picture.convert("RGBA").tobytes())
    asked = {"width": picture.width, "height": picture.height, "boxes": boxes, "plates": plates}
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    (tmp_path / "script.mjs").write_text(SCRIPT.replace("BROWSER", str(BROWSER)))
    subprocess.run([node, "script.mjs"], cwd=tmp_path, check=True)

    def computed(name: str, size: tuple[int, int]) -> np.ndarray:
        return np.fromfile(tmp_path / name, np.uint8).reshape(size[1], size[0], 4)[..., :3].astype(int)

    for place, (box, size) in enumerate(boxes):
        expected = picture.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
        assert np.array_equal(computed(f"box{place}", size), np.asarray(expected)), box
    for place, (corners, size) in enumerate(plates):
        difference = computed(f"plate{place}", size) - np.asarray(rectified(picture, corners, size, 0.05))
        # The matrix comes from another solver: a few values fall to the other side of a whole number.
        assert np.abs(difference).max() <= 1 and (difference != 0).mean() < 0.01, corners
