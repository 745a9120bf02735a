"""Where a graph's time goes, operator by operator, as ONNX Runtime's own profiler sees it."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def operator_times(graph: Path, pictures: np.ndarray, runs: int, threads: int = 1) -> dict[str, float]:
    """Milliseconds a run by kind of operator, the most costly first, after two runs to warm up.

    pictures: (N, 3, S, S) float32. On one thread, so that no operator's time has waiting in it.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        for _ in range(runs + 2):
            session.run(None, {name: pictures})
        events = json.loads(Path(session.end_profiling()).read_text())
    nodes: dict[str, list[float]] = defaultdict(list)
    kinds = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
            nodes[event["name"]].append(event["dur"] / 1000)
            kinds[event["name"]] = event["args"]["op_name"]
    spent: dict[str, float] = defaultdict(float)
    for node, durations in nodes.items():
        spent[kinds[node]] += sum(durations[2:]) / runs
    return dict(sorted(spent.items(), key=lambda item: -item[1]))
