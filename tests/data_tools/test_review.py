"""The review queue from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from data_tools.__main__ import main
from tests.graphs import write_checkpoint
from vehicle_demo.annotation.store import ANSWER, Said, Store


def test_a_folder_goes_in_and_the_answers_come_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VEHICLE_DEMO_CHECKPOINT", str(write_checkpoint(tmp_path / "checkpoint")))
    (tmp_path / "street").mkdir()
    for shade in (10, 200):
        Image.new("RGB", (120, 90), (shade, 90, 90)).save(tmp_path / f"street/{shade}.png")
    home = ["--home", str(tmp_path / "home")]
    main(["review", "--source", str(tmp_path / "street"), "--all", *home])
    assert "2 pictures: 2 vehicles added to the queue" in capsys.readouterr().out
    main(["review", "--source", str(tmp_path / "street"), "--all", *home])
    assert "0 vehicles added to the queue, 2 were there already" in capsys.readouterr().out
    store = Store(tmp_path / "home/labels")
    value = {"type": None, "make": "make b", "model": None}
    store.record(Said(1, "ann", ANSWER, "c1", value))
    main(["review", "--export", str(tmp_path / "out"), *home])
    assert "1 vehicles written" in capsys.readouterr().out
    assert len(list((tmp_path / "out/data").glob("*.parquet"))) == 1
    with pytest.raises(SystemExit, match="neither a folder"):
        main(["review", "--source", str(tmp_path / "nothing"), *home])
