"""Systems side by side: the figures by hand, and one command over graphs of different kinds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_tools.__main__ import main
from data_tools.card import BEGIN, END
from data_tools.compare import measured_table
from data_tools.evaluation.cost import graph_cost, network_cost
from data_tools.evaluation.papers import CLAIMS
from data_tools.evaluation.retrieval import Named, open_world_figures, retrieval_figures
from tests.data_tools.files import write_cars, write_rear_views
from tests.graphs import write_checkpoint, write_embedder
from vehicle_demo.recognition import recognizer
from vehicle_demo.recognition.graph import Graph
from vehicle_demo.recognition.names import line_of, year_of


def named(rows: list[tuple[str, float]]) -> Named:
    """Pictures by name and the direction (degrees) of their embedding."""
    names = [name for name, _ in rows]
    told = {
        "make": [name.split()[0] for name in names],
        "type": [name.split()[-1] for name in names],
        "model": [name.split()[1] for name in names],
        "name": names,
    }
    angles = np.radians([angle for _, angle in rows])
    columns = {level: np.array(values) for level, values in told.items()}
    return Named(columns, np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))


def test_the_nearest_tells_the_name_and_so_does_a_vote_of_ten() -> None:
    gallery = named([("Aria One suv", 0), ("Aria Two suv", 10), ("Aria Two suv", 11), ("Boreal Six van", 90)])
    asking = named([("Aria Two suv", 2), ("Boreal Six van", 80), ("Cygna Ten van", 85)])
    figures = retrieval_figures(asking, gallery, {"Aria Two suv", "Boreal Six van"})
    # The first lies nearest to another Aria, whom two votes outdo; the second's one near vote outdoes two far ones.
    assert figures == {"make_top1": 1.0, "type_top1": 1.0, "model_top1": 0.5, "name_top1": 0.5, "name_k10": 1.0}
    assert retrieval_figures(asking, gallery, {"Dorado"}) == {}
    assert retrieval_figures(asking, gallery.take(np.zeros(4, bool)), {"Aria Two suv"}) == {}


def test_names_never_shown_are_told_by_their_distance() -> None:
    shown = frozenset({"Aria One suv"})
    gallery = named([("Aria One suv", angle) for angle in range(12)] + [("Cygna Ten van", 60.0)] * 20)
    asking = named([("Aria One suv", 5), ("Aria One suv", 40), ("Cygna Ten van", 60), ("Cygna Ten van", 20)])
    # Distances follow the angles: 5 < 20 < 40 < 60 degrees, so one of four pairs is the wrong way round.
    figures = open_world_figures(asking, gallery, shown)
    assert figures == {"auroc": pytest.approx(0.75), "fpr95": pytest.approx(0.5)}
    assert open_world_figures(asking, gallery, {"Aria One suv", "Cygna Ten van"}) == {}
    assert open_world_figures(asking, gallery.take(np.arange(32) < 5), shown) == {}


def test_what_one_of_them_lacks_is_a_dash_and_what_all_lack_is_no_row() -> None:
    lines = measured_table({"a": {"known.name_top1": 0.25, "cost.ms": 12.5}, "longer name": {"cost.ms": 3.0}})
    assert [line.split("|")[1].strip() for line in lines] == [
        "",
        lines[1].split("|")[1].strip(),
        "name, nearest",
        "ms a picture",
    ]
    assert lines[2].split("|")[2:4] == [" 0.250 ", " —           "] and lines[3].split("|")[2:4] == [
        " 12.5  ",
        " 3.0         ",
    ]
    assert len({len(line) for line in lines}) == 1


def test_papers_figures_are_shares_in_per_cent_with_a_source() -> None:
    assert all(0 < value <= 100 for claim in CLAIMS for value in claim.figures.values())
    assert all("arXiv" in claim.source for claim in CLAIMS)


def test_one_command_compares_what_embeds_with_what_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cars(tmp_path, 12)
    data = tmp_path / "both"
    data.mkdir()
    train = pq.read_table(tmp_path / "cars196.parquet")
    write_cars(tmp_path, 6, split="validation")
    pq.write_table(pa.concat_tables([train, pq.read_table(tmp_path / "cars196.parquet")]), data / "cars196.parquet")
    write_rear_views(data, 3, split="validation")
    names = ["Aria Sedan", "Aria Van", "Boreal SUV"]
    finder = write_checkpoint(tmp_path / "finder")
    described = json.loads((finder / "checkpoint.json").read_text())
    described["labels"]["models"] = [*names, "d", "e", "f", "g"]
    (finder / "checkpoint.json").write_text(json.dumps(described))
    monkeypatch.setattr(recognizer, "FINDER", finder)
    looker = write_embedder(tmp_path / "looker", labels={"models": names[:2]})
    sources = ["--checkpoint", str(finder), "--checkpoint", str(looker)]
    main(["compare", *sources, "--data", str(data), "--output", str(tmp_path / "figures.json")])
    figures = json.loads((tmp_path / "figures.json").read_text())
    whole, small = figures["drawn-nano"], figures["looker"]
    # Both graphs see nothing but a picture's mean, of which each name has its own.
    assert whole["known.name_top1"] == small["known.name_top1"] == small["new.name_top1"] == 1.0
    assert "new.name_top1" not in whole  # it was shown that name
    assert "open.auroc" not in whole and "cost.parameters" not in small and small["cost.mb"] < 0.01
    assert {"reid.map", "reranked.map"} <= set(whole) & set(small)
    printed = capsys.readouterr().out
    assert "| re-ID mAP" in printed and "Reported by the papers" in printed and "96.18" in printed
    # The card of what only embeds has the same figures, and none of the finder's.
    (looker / "README.md").write_text(f"{BEGIN}\n{END}\n")
    main(["card", "--checkpoint", str(looker), "--data", str(data)])
    card = (looker / "README.md").read_text()
    (row,) = (line for line in card.splitlines() if line.startswith("| re-ID mAP, re-ranked"))
    assert f"{small['reranked.map']:.3f}" in row and "detection" not in card


def test_the_shipped_network_is_counted_whole() -> None:
    """It has parameters among its queries, over which counting once stumbled."""
    cost = network_cost(Path(__file__).parents[2] / "checkpoints" / "vehicledino-nano")
    # Its graph holds little but these, four bytes each.
    graph = graph_cost(Graph(Path(__file__).parents[2] / "checkpoints" / "vehicledino-nano" / "model.onnx"))
    assert cost["parameters"] * 4 == pytest.approx(graph["mb"], rel=0.1)
    assert 1 < cost["gflops"] < 10 and graph["ms"] > 1


def test_nothing_to_compare_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cars(tmp_path, 3)
    finder = write_checkpoint(tmp_path / "finder")
    with pytest.raises(SystemExit, match="no pictures of the split evaluation"):
        main(["compare", "--checkpoint", str(finder), "--data", str(tmp_path), "--split", "evaluation"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="no checkpoints"):
        main(["compare", "--data", str(tmp_path)])


@pytest.mark.parametrize(
    ("name", "line", "year"),
    [
        ("Audi TT Hatchback 2011", "TT", "2011"),
        ("Land Rover LR2 SUV 2012", "LR2", "2012"),
        ("Chevrolet Cobalt SS 2010", "Cobalt SS", "2010"),
        ("Aria Sedan", "Sedan", ""),
    ],
)
def test_a_name_is_taken_apart(name: str, line: str, year: str) -> None:
    assert (line_of(name), year_of(name)) == (line, year)
