"""Write a checkpoint folder from a training run: the ONNX graph, its INT8 form and checkpoint.json."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from vehicle_demo.models.embedder import Embedder
    from vehicle_demo.models.vehicledino import VehicleDINO

# ONNX Runtime Web runs this opset with WASM and WebGPU alike; GridSample needs 16 at least.
OPSET = 18
_PER_SOURCE = 32
_KINDS = ("detection", "cars196", "plate_crops", "plate_photos")
_SCOPES = "name_scopes"
_ANY_SIZE = 2**31
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

    What `calibrate` chose is kept where the folder has it. A network that embeds is small enough as it is: no INT8.
    """
    import json

    from vehicle_demo.models.embedder import Embedder

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
    if not isinstance(model, Embedder):
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


def export_graph(model: VehicleDINO | Embedder, path: Path) -> None:
    """Write the model as one ONNX graph with the contract's tensors and a dynamic batch. Adapters are merged first.

    Of the contract's tensors an embedder has one, `reid_embeds`.
    """
    import torch

    from vehicle_demo.models.embedder import Embedder

    if not isinstance(model, Embedder):
        model.merge_adapters()
    size = model.config.image_size
    write_onnx(model, torch.zeros(2, 3, size, size), "images", path)


def write_onnx(model: nn.Module, example: Tensor, name: str, path: Path) -> None:
    """Write a network of one input called `name` as an ONNX graph with a dynamic batch; outputs keep their names.

    A network that answers with a tensor, not with a dictionary of them, gets the output name `logits`.
    """
    import onnx
    import torch
    from onnx_ir.passes.common import DeduplicateInitializersPass
    from onnxscript.optimizer import optimize_ir

    model.eval()
    with torch.no_grad():
        answer = model(example)
        program = torch.onnx.export(
            model,
            (example,),
            dynamo=True,
            input_names=[name],
            output_names=list(answer) if isinstance(answer, dict) else ["logits"],
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    # Linear weights are turned once, here, not at every run: a quantiser takes only weights that are constants.
    optimize_ir(program.model, input_size_limit=_ANY_SIZE, output_size_limit=_ANY_SIZE)
    # Both kinds of query pass through the same layers, whose turned weights need to be kept once.
    DeduplicateInitializersPass(size_limit=_ANY_SIZE)(program.model)
    graph = program.model_proto
    for node in graph.graph.node:
        _keep_only_scopes(node.metadata_props)
    for value in graph.graph.value_info:
        del value.metadata_props[:]
    onnx.save(graph, path)


def export_preset(name: str, path: Path) -> None:
    """Export a preset (`base`, `nano`) with random weights to `path`. Raises KeyError for a name that is none."""
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


def _keep_only_scopes(properties: Any) -> None:
    """Drop the exporter's stack traces, which name files of the machine that exports, and keep the module scopes."""
    kept = [(entry.key, entry.value) for entry in properties if entry.key.endswith(_SCOPES)]
    del properties[:]
    for key, value in kept:
        properties.add(key=key, value=value)


def _stays_float(node: Any, weights: set[str]) -> bool:
    # Attention's products of two activations: quantised, they drag the softmax between them along, four times slower.
    if node.op_type == "MatMul" and node.input[1] not in weights:
        return True
    scopes = " ".join(entry.value for entry in node.metadata_props if entry.key.endswith(_SCOPES))
    return any(part in scopes for part in _FLOAT_PARTS)


def _keep_weights(model: nn.Module, training_run: Path, output: Path) -> None:
    """Beside the graph, to export or to train on from: torch weights in half precision, `run.json`, the log."""
    import shutil

    from safetensors.torch import save_model

    save_model(model.half(), str(output / "weights.safetensors"))
    model.float()
    shutil.copy(training_run / "run.json", output / "run.json")
    (output / "training.jsonl").write_text("".join(_log_lines(training_run)))


def _log_lines(training_run: Path) -> Iterator[str]:
    """The logs of all phases that have one, in their order, each line with its phase's name."""
    import json

    for phase in json.loads((training_run / "run.json").read_text())["config"]["phases"]:
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
    from safetensors.torch import load_model

    from vehicle_demo.models.systems import build_system
    from vehicle_demo.models.vehicledino import VehicleDINO, VehicleDINOConfig

    settings = json.loads((folder / "run.json").read_text())
    # What the trained module calls the network.
    part = "network." if "system" in settings else "model."
    model: VehicleDINO | Embedder
    if "system" in settings:
        model = build_system(settings["system"], settings["model"])
    else:
        model = VehicleDINO(VehicleDINOConfig.from_dict(settings["model"]))
    final = folder / "weights.safetensors"
    states = [folder / phase["name"] / "state.pt" for phase in settings["config"]["phases"]]
    if final.exists():
        load_model(model, str(final))
    elif any(state.exists() for state in states):
        latest = [state for state in states if state.exists()][-1]
        averaged = torch.load(latest, map_location="cpu", weights_only=True)["ema"]
        model.load_state_dict({k.removeprefix(part): v for k, v in averaged.items() if k.startswith(part)})
    else:
        raise FileNotFoundError(f"{folder} has no weights yet: train first.")
    # The shipped weights are in half precision: export what they hold, so that graph and weights agree.
    return model.half().float(), settings["labels"]
