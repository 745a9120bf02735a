"""An app of made-up parts for the tests of this room."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.graphs import write_checkpoint, write_reader
from vehicle_demo.ui import users
from vehicle_demo.ui.services import Services, find_services


def jpeg(size: tuple[int, int], shade: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, 90, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def services(tmp_path: Path) -> Services:
    """An app whose reader always reads READER1, and whose sample has three plates."""
    folder = tmp_path / "checkpoints" / "nano"
    write_checkpoint(folder, reader="reader.onnx")
    write_reader(folder / "reader.onnx", "READER1")
    corners = [[0.1, 0.1], [0.9, 0.2], [0.9, 0.9], [0.1, 0.8]]
    rows = [
        {"image": {"bytes": jpeg((200, 80), shade), "path": ""}, "source": "drawn_eu", "corners": corners}
        for shade in (10, 20, 30)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "plate_crops.parquet")
    services = find_services(tmp_path / "checkpoints", tmp_path, tmp_path / "home")
    services.labels.add_sample(services.recognizer())
    return services


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes guessing slow makes tests slow too; the cost is kept with each hash, so any will do."""
    monkeypatch.setattr(users, "_COST", {"n": 16, "r": 8, "p": 1})
