"""The model card's table and curve."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from data_tools.__main__ import main
from data_tools.card import BEGIN, END, confusion_table, figures_table
from data_tools.charts import draw_confusion, draw_curve
from data_tools.evaluation.attributes import Named, Task, agree, most_confused
from data_tools.evaluation.plates import Read, confusions


def test_the_table_has_a_column_for_each_precision() -> None:
    table = figures_table({"fp32": {"reid": {"map": 0.5, "queries": 3}}, "int8": {"reid": {"map": 0.25, "queries": 3}}})
    assert table.splitlines()[0] == "| figure | FP32 | INT8 |"
    assert table.splitlines()[2:] == ["| `reid.map` | 0.500 | 0.250 |", "| `reid.queries` | 3 | 3 |"]


def test_the_commonest_mistakes_come_first() -> None:
    def vehicle(kind: str, said: str) -> Named:
        truth: dict[Task, str | None] = {"type": kind, "make": "Aria", "model": f"Aria {kind}"}
        return Named(truth, {"type": (said,), "make": ("Aria",), "model": (f"Aria {said}",)})

    named = [vehicle("van", "bus"), vehicle("suv", "van"), vehicle("suv", "van"), vehicle("van", "van")]
    assert most_confused(named, "type", 5) == [("suv", "van", 2), ("van", "bus", 1)]
    assert most_confused(named, "make", 5) == []
    assert agree(named, "make") == [False, True, True, True]  # nothing is known of an Aria bus
    assert confusion_table(named).splitlines()[2] == "| suv as van (2) |  | Aria suv as Aria van (2) |"


def test_a_card_without_a_place_for_the_table_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"A card. {BEGIN}")
    with pytest.raises(SystemExit, match="must have the lines"):
        main(["card", "--checkpoint", str(tmp_path)])


def test_the_shipped_card_shows_what_was_measured() -> None:
    folder = Path("checkpoints/vehicledino-nano")
    text = (folder / "README.md").read_text()
    figures = json.loads((folder / "figures.json").read_text())["validation"]
    assert figures_table(figures) in text.split(BEGIN)[1].split(END)[0]


def test_the_curve_spans_all_phases(tmp_path: Path) -> None:
    lines = [{"phase": name, "step": step, "rate": 0.1, "model": 1 / step} for name in "ab" for step in (20, 40)]
    (tmp_path / "training.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    draw_curve(tmp_path / "training.jsonl", tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as image:
        assert image.width > 600


def test_the_curve_of_a_run_in_one_piece_needs_no_phase(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 20, "rate": 0.1, "characters": 2.0}\n')
    draw_curve(tmp_path / "log.jsonl", tmp_path / "curve.png")
    assert (tmp_path / "curve.png").exists()


def test_mistakes_are_counted_along_the_shortest_edit(tmp_path: Path) -> None:
    reads = [Read("a", "AB12", "A812"), Read("a", "AB12", "AB1"), Read("a", "7", "71"), Read("a", "4-7", "447")]
    counts = confusions(reads)
    mistakes = {pair: count for pair, count in counts.items() if pair[0] != pair[1]}
    assert mistakes == {("B", "8"): 1, ("2", ""): 1, ("", "1"): 1}
    assert counts["A", "A"] == 2 and counts["7", "7"] == 1
    draw_confusion(counts, tmp_path / "confusion.png")
    with Image.open(tmp_path / "confusion.png") as image:
        assert image.width == image.height > 600
