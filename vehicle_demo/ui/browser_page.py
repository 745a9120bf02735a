"""The page that recognises photos in the visitor's own browser: all its files, to serve or to write into a folder.

What the browser must decide as the recogniser does goes into `manifest.json`: the checkpoint's description, completed,
and the constants of `recognition`. Files that the page downloads have addresses that say what is in them.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vehicle_demo.recognition import (
    Recognizer,
    boxes,
    corners,
    graph,
    images,
    plate_graph,
    plates,
    reader,
    rectify,
    results,
)
from vehicle_demo.recognition.heads import TENSORS, UNTOLD, Heads, features_of
from vehicle_demo.recognition.hierarchy import LEVELS
from vehicle_demo.ui import exports
from vehicle_demo.ui.cards import UPPER
from vehicle_demo.ui.theme import CATEGORY_COLOURS, OTHER_COLOUR, theme

_STATIC = Path(__file__).parent / "static"
_OWN = _STATIC / "browser"
# What the page is made of; `sw.js` is written with their names and must not be kept itself.
_PARTS = (".css", ".html", ".js")
_SHARED = ("studio.css", "studio.js")
_WORKER = "sw.js"
RUNTIME: Mapping[str, Any] = json.loads((_OWN / "runtime.json").read_text())
# Cross-origin isolation, without which browsers give no threads; and nothing may be sent to, or come from, elsewhere.
ISOLATION = {
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
HEADERS = {
    **ISOLATION,
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' blob: 'wasm-unsafe-eval'; worker-src 'self' blob:; "
        f"connect-src 'self' {RUNTIME['cdn']}; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; "
        "object-src 'none'; base-uri 'none'; form-action 'none'"
    ),
}


@dataclass(frozen=True)
class Page:
    """Every file by its path below the page's address: its content, or where it is. `kept` never change."""

    files: Mapping[str, bytes | Path]
    kept: frozenset[str]


@dataclass
class _Files:
    """Files that are named by what is in them, as they are added."""

    files: dict[str, bytes | Path] = field(default_factory=dict)

    def add(self, name: str, source: bytes | Path) -> dict[str, Any]:
        """How the manifest describes the file."""
        content = source if isinstance(source, bytes) else source.read_bytes()
        digest = hashlib.sha384(content)
        url = f"files/{digest.hexdigest()[:16]}-{name}"
        self.files[url] = source
        integrity = f"sha384-{b64encode(digest.digest()).decode()}"
        return {"name": name, "url": url, "bytes": len(content), "integrity": integrity}


def build_page(
    answering: Recognizer, examples: Sequence[Path] = (), studio: str | None = None, runtime: Path | None = None
) -> Page:
    """The page for a recogniser's checkpoint and heads.

    Args:
        answering: the one whose decisions the page makes, whichever precision it runs.
        examples: pictures that the page offers.
        studio: the app's address, seen from the page, where there is an app.
        runtime: the folder of an installed onnxruntime-web; without one it comes from the CDN.

    Raises:
        CheckpointError: a graph that the checkpoint names is missing.
        FileNotFoundError: the folder has not all of the runtime.
    """
    checkpoint, kept = answering.checkpoint, _Files()
    graphs = checkpoint.graphs
    beside = {"reader": checkpoint.reader_path, "corners": checkpoint.corners_path}
    manifest = {
        "studio": studio,
        "checkpoint": {name: value for name, value in asdict(checkpoint).items() if name != "folder"},
        "graphs": {name: kept.add(Path(file).name, checkpoint.graph_path(name)) for name, file in graphs.items()},
        **{name: kept.add(path.name, path) if path else None for name, path in beside.items()},
        "heads": kept.add("heads.safetensors", _heads_file(answering.heads)) if answering.heads else None,
        "runtime": _runtime(kept, runtime),
        "settings": _settings(answering),
        "limits": {
            "bytes": images.MAX_BYTES, "pixels": images.MAX_PIXELS,
            "min_side": images.MIN_SIDE, "max_aspect": images.MAX_ASPECT,
        },
        "levels": LEVELS,
        "upper": UPPER,
        "colours": CATEGORY_COLOURS,
        "other_colour": OTHER_COLOUR,
        "csv": {"columns": exports.COLUMNS, "formula": exports.FORMULA},
        "examples": [{"name": path.stem.replace("-", " "), "url": f"examples/{path.name}"} for path in examples],
    }  # fmt: skip
    shell: dict[str, bytes | Path] = {
        **{path.name: path for path in sorted(_OWN.iterdir()) if path.suffix in _PARTS and path.name != _WORKER},
        **{name: _STATIC / name for name in _SHARED},
        **{f"examples/{path.name}": path for path in examples},
        "theme.css": theme()._get_theme_css().encode(),
        "manifest.json": json.dumps(manifest).encode(),
    }
    return Page({**shell, _WORKER: _worker(shell), **kept.files}, frozenset(kept.files))


def _settings(answering: Recognizer) -> dict[str, Any]:
    """The constants by which `recognition` decides."""
    return {
        "mean": [float(value) for value in graph.IMAGENET_MEAN],
        "std": [float(value) for value in graph.IMAGENET_STD],
        "at_once": graph.CHUNK,
        "plates_at_once": plate_graph.CHUNK,
        "reducing_gap": graph.REDUCING_GAP,
        "corner_margin": corners.MARGIN,
        "finest": rectify.FINEST,
        "fewest_pixels": rectify.FEWEST_PIXELS,
        "alphabet": plates.ALPHABET,
        "ranked": results.RANKED,
        "paths": answering.hierarchy.paths,
        "crop_steps": boxes.CROP_STEPS,
        "plate_steps": boxes.PLATE_STEPS,
        "heads": {
            "tensors": dict(TENSORS),
            "features": features_of(answering.graph.outputs),
            "characters": reader.FEATURES,
            "untold": UNTOLD,
        },
    }


def _heads_file(heads: Heads) -> bytes:
    from safetensors.numpy import save

    parts = ("weight", "bias", "of_model")
    layers = {**heads.heads, **({"characters": heads.characters} if heads.characters else {})}
    tensors = {f"{name}.{part}": getattr(layer, part) for name, layer in layers.items() for part in parts}
    return save({n: np.ascontiguousarray(values, np.float32) for n, values in tensors.items() if values is not None})


def _runtime(kept: _Files, folder: Path | None) -> dict[str, Any]:
    """The runtime's files for each way to run a graph: a folder's, or the CDN's with the hashes they must have."""
    if folder is None:
        base = f"{RUNTIME['cdn']}{RUNTIME['folder']}"
        files = {name: {"name": name, "url": f"{base}{name}", **about} for name, about in RUNTIME["files"].items()}
    else:
        places = [folder, folder / "dist", folder / "node_modules" / RUNTIME["package"] / "dist"]
        found = next((place for place in places if all((place / name).exists() for name in RUNTIME["files"])), None)
        if found is None:
            raise FileNotFoundError(
                f"{folder} has not all of ONNX Runtime Web. Put it there with: "
                f"npm install --prefix {folder} {RUNTIME['package']}@{RUNTIME['version']}"
            )
        files = {name: kept.add(name, found / name) for name in RUNTIME["files"]}
    return {way: {part: files[name] for part, name in parts.items()} for way, parts in RUNTIME["ways"].items()}


def _worker(shell: Mapping[str, bytes | Path]) -> bytes:
    """The service worker's script: what it keeps, and a version that changes whenever any of that does."""
    version = hashlib.sha256()
    for name, source in sorted(shell.items()):
        version.update(name.encode())
        version.update(source if isinstance(source, bytes) else source.read_bytes())
    # The page itself is asked for by the folder's address.
    names = ["./", *(name for name in sorted(shell) if name != "index.html")]
    page = {"version": version.hexdigest()[:16], "files": names, "headers": HEADERS}
    return f"const PAGE = {json.dumps(page)};\n{(_OWN / _WORKER).read_text()}".encode()
