"""Write a checkpoint folder from a training run: the ONNX graph, its INT8 form and checkpoint.json."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from vehicle_demo.models.embedder import Embedder
    from vehicle_demo.models.vehicledino import VehicleDINO

_PER_SOURCE = 32
_KINDS = ("detection", "cars196", "plate_crops", "plate_photos")
# Parts whose layers stay in float: they are small, and their outputs are what people read. The decoder's attentions
# differ in their last digits from machine to machine, of which layers in integers would make whole steps.
_FLOAT_PARTS = ("attributes", "plate", "decoder")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools export`."""
    parser.add_argument("--run", type=Path, help="folder of a training run")
    parser.add_argument("--preset", help="instead of a run: a preset with random weights, to measure sizes and speed")
    parser.add_argument("--output", type=Path, help="checkpoint folder to write")
    parser.add_argument("--static-space", type=Path, metavar="DIR", help="write the page of recognition in the browser")
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/vehicledino-nano"), help="that page's")
    parser.add_argument("--ort-web", type=Path, help="copy this folder's onnxruntime-web into it, to need no CDN")
    parser.add_argument("--name", default="vehicledino-nano", help="the checkpoint's name")
    parser.add_argument("--version", default="0.1.0", help="the checkpoint's version")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="pictures to calibrate INT8 with")


def run(args: argparse.Namespace) -> None:
    """Write a checkpoint folder, or with `--static-space` the page that recognises in the browser.

    Raises:
        CheckpointError: that page's checkpoint cannot be loaded.
        FileNotFoundError: the run has neither weights nor state, there are no pictures to calibrate with, or the folder
            of `--ort-web` has not all of it.
        ValueError: neither or both of `--run` and `--preset` are given, or no folder to write.
    """
    if args.static_space is not None:
        from data_tools.static_space import write_static_space

        write_static_space(args.checkpoint, args.static_space, args.ort_web)
        return
    if args.output is None:
        raise ValueError("Name the folder to write with --output, or --static-space.")
    _write_checkpoint(args)


def _write_checkpoint(args: argparse.Namespace) -> None:
    """`model.onnx`, `model_int8.onnx`, `weights.safetensors`, `run.json`, `training.jsonl` and `checkpoint.json`.

    What `calibrate` chose is kept where the folder has it. A network that embeds has no INT8: it is small, and its
    weights are stored in fewer bits (see `compact`).
    """
    import json

    from data_tools.compact import compact
    from vehicle_demo.models.embedder import Embedder
    from vehicle_demo.models.onnx_graph import export_graph

    if (args.run is None) == (args.preset is None):
        raise ValueError("Name either --run or --preset.")
    args.output.mkdir(parents=True, exist_ok=True)
    model, labels = load_run(args.run) if args.run else (_from_preset(args.preset), {})
    # Before the export, which merges adapters into the weights.
    if args.run and args.run.resolve() != args.output.resolve():
        _keep_weights(model, args.run, args.output)
    graph, quantised = args.output / "model.onnx", args.output / "model_int8.onnx"
    export_graph(model, graph)
    graphs = {"fp32": graph.name}
    description = args.output / "checkpoint.json"
    kept = json.loads(description.read_text()) if description.exists() else {}
    if isinstance(model, Embedder):
        compact(graph)
    else:
        # Where a reader stands beside the graph, no plate's close-up goes through it.
        kinds = [kind for kind in _KINDS if kind != "plate_crops" or "reader" not in kept]
        quantise(graph, quantised, list(calibration_pictures(args.data, model.config.image_size, kinds)))
        graphs["int8"] = quantised.name
    values = {
        "format": 1,
        "name": args.name,
        "version": args.version,
        "graphs": graphs,
        "labels": labels,
        **{key: kept[key] for key in ("thresholds", "temperatures", "same_object", "reader", "corners") if key in kept},
    }
    description.write_text(json.dumps(values, indent=1) + "\n")
    for name in graphs.values():
        print(f"{args.output / name}: {(args.output / name).stat().st_size / 1e6:.1f} MB")


def export_preset(name: str, path: Path) -> None:
    """Export a preset (`base`, `nano`) with random weights to `path`. Raises KeyError for a name that is none."""
    from vehicle_demo.models.onnx_graph import export_graph

    export_graph(_from_preset(name), path)


def quantise(source: Path, target: Path, pictures: Sequence[np.ndarray]) -> None:
    """Static QDQ quantisation: int8 weights by channel, uint8 activations, ranges from the pictures' own.

    What stays in float is stored in fewer bits, see `compact`.

    pictures: (3, S, S) float32 each, normalised as for the graph.
    """
    import logging
    import tempfile

    import onnx
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    from data_tools.compact import compact

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._left = iter(pictures)

        def get_next(self) -> dict[str, np.ndarray] | None:
            picture = next(self._left, None)
            return None if picture is None else {"images": picture[None]}

    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        # Symbolic shape inference fails on the exporter's expressions; plain inference gives all that is needed.
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True, skip_optimization=True)
        graph = onnx.load(prepared).graph
        weights = {weight.name for weight in graph.initializer}
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)
        quantize_static(
            str(prepared),
            str(target),
            Reader(),
            op_types_to_quantize=["Conv", "MatMul", "Gemm"],
            nodes_to_exclude=[node.name for node in graph.node if _stays_float(node, weights)],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "CalibMovingAverage": True,
            },
        )
        root.setLevel(level)
    compact(target)


def calibration_pictures(data: Path, size: int, kinds: Sequence[str] = _KINDS) -> Iterator[np.ndarray]:
    """Training pictures of these kinds, stretched and normalised. Raises FileNotFoundError when there are none.

    They must be what the graph sees when it is used: what it was not trained on may reach values a thousand times as
    large, and then nothing is left of the others.
    """
    import numpy as np

    from data_tools.readers import parquet, registry
    from data_tools.training.augment import IMAGENET_MEAN, IMAGENET_STD

    mean, std = np.array(IMAGENET_MEAN, np.float32), np.array(IMAGENET_STD, np.float32)
    found, ours = False, registry.layout_of(data) is None
    for name in kinds:
        left = _PER_SOURCE
        for index, picture in enumerate(parquet.read(data, name) if ours else registry.read(data, name, "train")):
            # Neighbouring rows come from one publisher, often one film.
            if picture.split == "train" and index % 17 == 0 and left:
                left -= 1
                found = True
                yield ((picture.stretched(size).astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)
    if not found:
        raise FileNotFoundError(f"No pictures in {data} to calibrate INT8 with.")


def _stays_float(node: Any, weights: set[str]) -> bool:
    from vehicle_demo.models.onnx_graph import SCOPES

    # Attention's products of two activations: quantised, they drag the softmax between them along, four times slower.
    if node.op_type == "MatMul" and node.input[1] not in weights:
        return True
    scopes = " ".join(entry.value for entry in node.metadata_props if entry.key.endswith(SCOPES))
    return any(part in scopes for part in _FLOAT_PARTS)


def _keep_weights(model: VehicleDINO | Embedder, training_run: Path, output: Path) -> None:
    """Beside the graph, to export or to train on from: torch weights in half precision, `run.json`, the log."""
    import shutil

    from vehicle_demo.models.files import RUN_FILE
    from vehicle_demo.models.weights import keep_weights

    keep_weights(model, output)
    shutil.copy(training_run / RUN_FILE, output / RUN_FILE)
    (output / "training.jsonl").write_text("".join(_log_lines(training_run)))


def _log_lines(training_run: Path) -> Iterator[str]:
    """The logs of all phases that have one, in their order, each line with its phase's name."""
    import json

    from vehicle_demo.models.files import RUN_FILE

    for phase in json.loads((training_run / RUN_FILE).read_text())["config"]["phases"]:
        log = training_run / phase["name"] / "log.jsonl"
        for line in log.read_text().splitlines() if log.exists() else []:
            yield json.dumps({"phase": phase["name"], **json.loads(line)}) + "\n"


def _from_preset(name: str) -> VehicleDINO:
    import torch

    from vehicle_demo.models.vehicledino import PRESETS, VehicleDINO

    torch.manual_seed(0)
    return VehicleDINO(PRESETS[name])


def load_run(folder: Path) -> tuple[VehicleDINO | Embedder, dict[str, list[str]]]:
    """The network of a run (or of a checkpoint's folder) and the names that it was taught.

    It has the run's final weights or, while that is still going, the averaged weights of its last phase.

    Raises:
        FileNotFoundError: the run has neither.
    """
    import json

    import torch

    from vehicle_demo.models.files import RUN_FILE, WEIGHTS_FILE
    from vehicle_demo.models.weights import as_kept, build_network, read_network

    settings = json.loads((folder / RUN_FILE).read_text())
    if (folder / WEIGHTS_FILE).exists():
        return read_network(folder), settings["labels"]
    states = [folder / phase["name"] / "state.pt" for phase in settings["config"]["phases"]]
    if not any(state.exists() for state in states):
        raise FileNotFoundError(f"{folder} has no weights yet: train first.")
    latest = [state for state in states if state.exists()][-1]
    averaged = torch.load(latest, map_location="cpu", weights_only=True)["ema"]
    model = build_network(settings)
    # What the trained module calls the network.
    part = "model." if isinstance(model, VehicleDINO) else "network."
    model.load_state_dict({k.removeprefix(part): v for k, v in averaged.items() if k.startswith(part)})
    return as_kept(model), settings["labels"]
