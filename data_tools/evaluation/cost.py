"""What it costs to look at one vehicle."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from vehicle_demo.models.files import RUN_FILE
from vehicle_demo.recognition.graph import Graph

_RUNS = 20


def graph_cost(graph: Graph) -> dict[str, float]:
    """`ms`, the median of a pass over one picture on one thread, and `mb`, the file's size."""
    alone = Graph(graph.path, threads=1, required=())
    picture = np.zeros((1, 3, alone.input_size, alone.input_size), np.float32)
    spent = []
    for _ in range(_RUNS + 2):
        start = time.perf_counter()
        alone.run(picture)
        spent.append((time.perf_counter() - start) * 1000)
    return {"ms": float(np.median(spent[2:])), "mb": graph.path.stat().st_size / 1e6}


def network_cost(folder: Path) -> dict[str, float]:
    """`parameters` in millions and `gflops` of a pass, from a checkpoint's torch weights; empty where it has none.

    Counted are the floating-point operations of convolutions and matrix products, two for each multiply-add.
    """
    if not (folder / RUN_FILE).exists():
        return {}
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from data_tools.export import load_run
    from vehicle_demo.models.vehicledino import parameters_in_millions

    # The counter follows gradients, which must then be wanted nowhere.
    network = load_run(folder)[0].eval().requires_grad_(False)
    size = network.config.image_size
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, size, size))
    return {"parameters": parameters_in_millions(network), "gflops": counter.get_total_flops() / 1e9}
