"""The benchmark prints every figure that the README shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_tools.__main__ import main


def test_the_figures_of_the_shipped_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "figures.json"
    main(["benchmark", "--runs", "1", "--corrections", "24", "--output", str(output)])
    figures = json.loads(output.read_text())
    assert figures["graph_mb"]["model.onnx"] <= 30
    assert figures["app"]["resident_mb"] <= figures["app"]["peak_mb, one 12 MP photo"]
    by_operator = figures["operator_ms, model_int8.onnx"]
    assert "QLinearConv" in by_operator and "QLinearSoftmax" not in by_operator
    parts = [spent for name, spent in by_operator.items() if name != "all"]
    assert sum(parts) == pytest.approx(by_operator["all"])
    retraining = figures["retraining"]
    assert retraining["24 corrections seen before (s)"] > 0 and retraining["of which processor time (s)"] > 0
    during, idle = (retraining[f"recognise, {when}, p95 (ms)"] for when in ("during a fit", "nothing else"))
    assert retraining["p95 during a fit / nothing else"] == pytest.approx(during / idle)
    printed = capsys.readouterr().out
    assert "recognise, 1 vehicle, decoded, FP32" in printed and "ratios.FP32 / INT8, one pass" in printed
    assert "retraining.24 new corrections (s)" in printed
