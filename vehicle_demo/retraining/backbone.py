"""From corrections and pictures of the training to a checkpoint whose backbone was adapted to the corrections.

Embeddings and features change with it. So it has a graph of its own, whose name no other graph has (galleries are told
apart by that), and what stands for the training's pictures is made of them anew. Torch is imported when it begins.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vehicle_demo.models.files import RUN_FILE, WEIGHTS_FILE
from vehicle_demo.recognition import Recognizer
from vehicle_demo.recognition.checkpoint import DESCRIPTION_FILE, Checkpoint
from vehicle_demo.recognition.heads import Heads
from vehicle_demo.retraining.corrections import Corrections
from vehicle_demo.retraining.features import described_whole
from vehicle_demo.retraining.plates import PLATE_BANK_FILE
from vehicle_demo.retraining.shipped import BANK_FILE, Bank, Examples, RetrainError, write_bank
from vehicle_demo.retraining.shown import shown_again, shown_anew
from vehicle_demo.retraining.steps import Step
from vehicle_demo.retraining.training_pictures import (
    PICTURES_FILE,
    TrainingPicture,
    read_training_pictures,
    spread,
    truth_of,
)

if TYPE_CHECKING:
    from vehicle_demo.models.vehicledino import VehicleDINO

_NEEDED = ("torch", "timm", "peft", "transformers", "onnx", "onnxscript")
# Of the training: shown beside the corrections while the backbone learns, and kept as features to keep heads fresh.
_SHOWN, _REPLAYED = 1000, 3000


@dataclass(frozen=True, eq=False)
class Adapted:
    """The new checkpoint, its bank, the same hold-out as the old graph sees it, and what to write down of it all."""

    recognizer: Recognizer
    bank: Bank
    holdout_before: Examples
    settings: dict[str, Any]


def adapting_trouble(checkpoint: Checkpoint, data: Path | None) -> str:
    """Why the backbone of a checkpoint cannot be adapted here, and what to do; empty where it can."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        return f"Adapting the backbone needs {', '.join(missing)}: pip install -r requirements.txt."
    absent = [name for name in (WEIGHTS_FILE, RUN_FILE, DESCRIPTION_FILE) if not (checkpoint.folder / name).exists()]
    if absent:
        return f"{checkpoint.name} comes without {', '.join(absent)}, so its backbone cannot be adapted."
    if data is None:
        return (
            "Adapting the backbone needs the pictures that the checkpoint was trained on, so that it forgets nothing: "
            f"start the app with VEHICLE_DEMO_DATA naming the folder that has {PICTURES_FILE}."
        )
    if not (data / PICTURES_FILE).exists():
        return (
            f"There is no {PICTURES_FILE} in {data}, the pictures that the backbone must see again to forget nothing."
        )
    return ""


def adapted_to(
    corrections: Corrections, recognizer: Recognizer, heads: Heads, data: Path, folder: Path, seed: int
) -> Generator[Step, None, Adapted]:
    """Adapt the backbone of a recogniser's checkpoint, of which `adapting_trouble` says nothing.

    The new checkpoint is written into an empty folder.

    Args:
        heads: fitted on the corrections as the recogniser's graph sees them.
        data: the folder of the training's pictures.

    Raises:
        RetrainError: the weights cannot be used.
        ImageError: a picture of the training cannot.
    """
    checkpoint = recognizer.checkpoint
    pictures = read_training_pictures(data)
    from vehicle_demo.models.onnx_graph import export_graph
    from vehicle_demo.models.vehicledino import VehicleDINO
    from vehicle_demo.models.weights import keep_weights, read_network
    from vehicle_demo.retraining.adapt import RECIPE, adapt
    from vehicle_demo.retraining.threads import one_thread

    try:
        network = read_network(checkpoint.folder)
    except (OSError, ValueError, RuntimeError) as error:
        raise RetrainError(f"The weights in {checkpoint.folder} cannot be used ({error}).") from error
    if not isinstance(network, VehicleDINO):
        raise RetrainError(f"The network of {checkpoint.name} only embeds; a VehicleDINO can be adapted.")
    side = network.config.attribute_size or network.config.image_size
    yield Step("adapting", 0, RECIPE.steps)
    replay = shown_again(spread(pictures.train, _SHOWN, _model), side)
    taught = shown_anew(recognizer, corrections, side)
    with one_thread():
        for learnt in adapt(network, heads, replay, taught, seed, RECIPE):
            yield Step("adapting", learnt.done, learnt.total, learnt.loss)
        yield Step("writing", 0, 1)
        keep_weights(network, folder)
        export_graph(network, folder / "graph.onnx")
    _describe(checkpoint, network, folder)
    new = Recognizer.from_checkpoint(folder, threads=recognizer.graph.threads)
    fresh = spread(pictures.train, _REPLAYED, _model)
    before, *seen = yield from _seen([(recognizer, pictures.validation), (new, fresh), (new, pictures.validation)])
    bank = Bank(*seen)
    write_bank(folder / BANK_FILE, new.checkpoint, bank)
    counts = {"corrections": len(taught), "replayed": len(replay)}
    return Adapted(new, bank, before, {**asdict(RECIPE), **counts})


def _model(picture: TrainingPicture) -> str:
    return picture.truth["model"]


def _describe(checkpoint: Checkpoint, network: VehicleDINO, folder: Path) -> None:
    """Make a checkpoint of a folder with `graph.onnx`: give the graph its own name, and put the rest beside it."""
    graph = folder / "graph.onnx"
    digest = hashlib.sha256(graph.read_bytes()).hexdigest()
    named = graph.rename(folder / f"graph-{digest[:12]}.onnx")
    values = json.loads((checkpoint.folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
    values["graphs"] = {"fp32": named.name}
    (folder / DESCRIPTION_FILE).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    # Adapters are in the weights by now.
    run = json.loads((checkpoint.folder / RUN_FILE).read_text())
    run["model"] = replace(network.config, lora_rank=0).to_dict()
    (folder / RUN_FILE).write_text(json.dumps(run, indent=1))
    beside = [checkpoint.reader_path, checkpoint.corners_path, checkpoint.model_card]
    for path in (*beside, checkpoint.folder / PLATE_BANK_FILE):
        if path is not None and path.exists():
            shutil.copy(path, folder / path.name)


def _seen(
    looked: Sequence[tuple[Recognizer, Sequence[TrainingPicture]]],
) -> Generator[Step, None, list[Examples]]:
    """Pictures of the training as features, each set by its own graph."""
    done, total = 0, sum(len(pictures) for _, pictures in looked)
    found: list[Examples] = []
    for recognizer, pictures in looked:
        parts: list[np.ndarray] = []
        for part in described_whole(recognizer, [picture.encoded for picture in pictures]):
            parts.append(part)
            done += len(part)
            yield Step("replaying", done, total)
        found.append(Examples(np.concatenate(parts), truth_of(pictures)))
    return found
