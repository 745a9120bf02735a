"""The command that writes what a checkpoint's plate reader is taught with."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_tools.__main__ import main
from data_tools.reader_graph import give_features
from tests.data_tools.files import write_plates
from tests.graphs import write_checkpoint, write_reader
from vehicle_demo.recognition import Recognizer
from vehicle_demo.retraining.plates import read_plate_bank

SHIPPED = Path("checkpoints/vehicledino-nano")


def test_the_bank_has_features_of_both_splits_and_of_drawn_plates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = []
    for split, texts in (("train", ["AB123", "4-7C", "ZZ9", "Q1"]), ("validation", ["AB 12", "4-7C", "X1"])):
        write_plates(tmp_path, texts, split)
        tables.append(pq.read_table(tmp_path / "plate_crops.parquet"))
    pq.write_table(pa.concat_tables(tables), tmp_path / "plate_crops.parquet")
    folder = write_checkpoint(tmp_path / "own", reader="reader.onnx")
    shutil.copy(SHIPPED / "reader.onnx", folder / "reader.onnx")
    command = ["plate-bank", "--checkpoint", str(folder), "--data", str(tmp_path)]
    main([*command, "--rows", "3", "--drawn", "2"])
    assert "3 of 4 training plates, 2 drawn, 1 held out" in capsys.readouterr().out
    recognizer = Recognizer.from_checkpoint(folder)
    bank = read_plate_bank(recognizer)
    assert len(bank.replay) == 5 and bank.holdout.texts.tolist() == ["X1"]  # of the others a character is not known
    assert recognizer.reader is not None and bank.replay.features.shape == (5, 8, recognizer.reader.features)
    graph = (folder / "reader.onnx").read_bytes()
    weight, _ = give_features(folder / "reader.onnx")
    np.testing.assert_array_equal(weight, bank.characters.weight)
    assert (folder / "reader.onnx").read_bytes() == graph  # once is enough


def test_a_reader_without_a_linear_layer_at_its_end_is_said_so(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "own")
    with pytest.raises(SystemExit, match="has no plate reader"):
        main(["plate-bank", "--checkpoint", str(folder), "--data", str(tmp_path)])
    with pytest.raises(ValueError, match="does not end in a linear layer"):
        give_features(write_reader(tmp_path / "reader.onnx", "READER1"))
