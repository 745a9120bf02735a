"""The network: its sizes, its adapters, and that its graph says what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from PIL import Image
from scipy.optimize import linear_sum_assignment

from data_tools.export import calibration_pictures, export_preset, quantise
from data_tools.pictures import windows
from tests.data_tools.files import write_cars, write_scenes
from vehicle_demo.models.heads import AttributeHeads
from vehicle_demo.models.onnx_graph import export_graph
from vehicle_demo.models.vehicledino import PRESETS, VehicleDINO, VehicleDINOConfig
from vehicle_demo.recognition import Recognizer
from vehicle_demo.recognition.boxes import overlaps, to_corners
from vehicle_demo.recognition.heads import TENSORS, Head, Heads

CHECKPOINT = Path(__file__).parents[2] / "checkpoints" / "vehicledino-nano"
TINY_VIT = replace(
    PRESETS["base"], backbone="vit_tiny_patch16_224", image_size=64, width=32, feed_forward=64, lora_rank=4
)
SMALL_NANO = replace(PRESETS["nano"], attribute_backbone="", image_size=64, width=32, feed_forward=64, lora_rank=4)


def test_config_refuses_unknown_keys() -> None:
    assert VehicleDINOConfig.from_dict(PRESETS["nano"].to_dict()) == PRESETS["nano"]
    with pytest.raises(ValueError, match="imagesize"):
        VehicleDINOConfig.from_dict({"backbone": "x", "imagesize": 3})


@pytest.mark.parametrize("config", [TINY_VIT, SMALL_NANO], ids=lambda config: config.backbone)
def test_lora_trains_adapters_only_and_merges_without_a_change(config: VehicleDINOConfig) -> None:
    torch.manual_seed(0)
    model = VehicleDINO(replace(config, decoder_layers=2, queries=20)).eval()
    plain = VehicleDINO(replace(config, decoder_layers=2, queries=20, lora_rank=0)).backbone
    trained = [name for name, p in model.backbone.named_parameters() if p.requires_grad]
    assert trained and all("lora" in name for name in trained)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # adapters start as nothing; give them something to merge
            torch.nn.init.normal_(parameter, std=0.05)
    pictures = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = model(pictures)["attribute_features"]
        model.merge_adapters()
        after = model(pictures)["attribute_features"]
    assert {name: p.shape for name, p in model.backbone.named_parameters()} == {
        name: p.shape for name, p in plain.named_parameters()
    }
    torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-4)


def test_a_vehicle_is_described_the_same_in_the_mirror() -> None:
    torch.manual_seed(0)
    config = replace(SMALL_NANO, attribute_backbone="mobilenetv4_conv_small", lora_rank=0, queries=20)
    model = VehicleDINO(config).eval()
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        one, mirrored = (model(view)["reid_embeds"] for view in (picture, picture.flip(3)))
    torch.testing.assert_close(one, mirrored, atol=1e-5, rtol=1e-4)


def test_types_and_makes_are_what_their_models_are_and_what_heads_say() -> None:
    """In torch as in the heads that answer without it."""
    torch.manual_seed(0)
    own = AttributeHeads(0, 8, features=6, types=3, makes=4, models=5, colours=0, embedding=4).eval()
    own.imply([0, 0, 1, -1, 2], [3, 2, 2, 1, -1])
    with torch.no_grad():
        said = own(torch.zeros(7, 0), torch.randn(7, 8))
    layers = {"type": own.types, "make": own.makes, "model": own.models}
    heads = {
        task: Head(
            tuple("abcde"[: layer.out_features]), layer.weight.detach().numpy(), layer.bias.detach().numpy(), 1.0,
            getattr(own, f"{task}_of_model").numpy() if task != "model" else None,
        )
        for task, layer in layers.items()
    }  # fmt: skip
    logits = Heads("v1", heads).logits(said["attribute_features"].numpy())
    for task, tensor in TENSORS.items():
        np.testing.assert_allclose(logits[task], said[tensor].numpy(), rtol=1e-4, atol=1e-5)


def test_shipped_graph_says_what_the_trained_weights_say(tmp_path: Path) -> None:
    """Kept boxes matched one to one with IoU >= 0.99 and attributes within 1e-3; near-ties may reorder the queries."""
    from data_tools.export import load_run

    model, _ = load_run(CHECKPOINT)
    model.eval()
    size = model.config.image_size
    photos = sorted((CHECKPOINT.parents[1] / "vehicle_demo" / "samples" / "photos").glob("*.jpg"))
    pixels = np.stack([np.asarray(Image.open(p).convert("RGB").resize((size, size))) for p in photos[:4]])
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pictures = ((torch.from_numpy(pixels).float() / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        expected = {name: value.numpy() for name, value in model(pictures).items()}
    session = ort.InferenceSession(CHECKPOINT / "model.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, {"images": pictures.numpy()}), strict=True))
    for name in ("attribute_features", "vehicle_types", "makes", "models", "reid_embeds", "ocr_logits"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-3)
    matched = 0
    for row in range(len(pictures)):
        theirs, ours = kept(expected, row), kept(found, row)
        assert len(theirs) == len(ours)
        shared = overlaps(theirs, ours)
        pairs = linear_sum_assignment(-shared)
        assert (shared[pairs] >= 0.99).all()
        matched += len(theirs)
    assert matched > 0


def kept(outputs: dict[str, np.ndarray], row: int) -> np.ndarray:
    scores = 1 / (1 + np.exp(-outputs["det_classes"][row].max(axis=1)))
    return to_corners(outputs["det_boxes"][row][scores > 0.3].astype(float))


def test_base_has_the_contracts_shapes_and_shrinks_to_a_third(tmp_path: Path) -> None:
    graph, small = tmp_path / "base.onnx", tmp_path / "base_int8.onnx"
    export_preset("base", graph)
    write_scenes(tmp_path, count=2)
    quantise(graph, small, list(calibration_pictures(tmp_path, 560))[:2])
    assert graph.stat().st_size / small.stat().st_size >= 3.2
    session = ort.InferenceSession(small, providers=["CPUExecutionProvider"])
    (pictures,) = session.get_inputs()
    assert pictures.name == "images" and pictures.shape[1:] == [3, 560, 560] and isinstance(pictures.shape[0], str)
    shapes = {output.name: output.shape[1:] for output in session.get_outputs()}
    assert shapes == {
        "det_boxes": [300, 4],
        "det_classes": [300, 5],
        "vehicle_types": [1, 8],
        "makes": [1, 42],
        "models": [1, 323],
        "reid_embeds": [1, 256],
        "ocr_logits": [1, 8, 37],
        "attribute_features": [1, 512],
        "plate_boxes": [1, 4],
        "plate_scores": [1, 1],
    }
    answers = session.run(["reid_embeds"], {"images": np.zeros((1, 3, 560, 560), np.float32)})
    assert np.linalg.norm(answers[0][0, 0]) == pytest.approx(1, abs=1e-3)


def test_exported_batch_is_dynamic_and_names_no_files_of_the_exporting_machine(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = VehicleDINO(replace(PRESETS["nano"], image_size=64, queries=40, decoder_layers=1)).eval()
    path = tmp_path / "nano.onnx"
    export_graph(model, path)
    assert b'.py", line' not in path.read_bytes()
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    for count in (1, 3):
        pictures = torch.randn(count, 3, 64, 64)
        (found,) = session.run(["models"], {"images": pictures.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(found, model(pictures)["models"].numpy(), atol=1e-4)


def test_calibration_without_pictures_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no data set"):
        list(calibration_pictures(tmp_path, 64))
    write_cars(tmp_path, count=3)
    assert len(list(calibration_pictures(tmp_path, 64))) == 1


def test_the_shipped_int8_graph_says_nearly_what_fp32_says() -> None:
    """INT8 was once calibrated with pictures that the network was not trained on, and named nothing right any more."""
    recognizers = [Recognizer.from_checkpoint(CHECKPOINT, precision) for precision in ("fp32", "int8")]
    crops = list(windows())[:24]
    exact, rounded = (
        np.stack([vehicle.embedding for vehicle in recognizer.describe_batch(crops)]) for recognizer in recognizers
    )
    assert (exact * rounded).sum(axis=1).mean() > 0.9
