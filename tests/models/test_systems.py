"""The published systems: their sizes, what each part does, and that all of it learns."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import pytest
import timm
import torch
from torch import nn

from tests.models.small_systems import SMALL
from vehicle_demo.models.backbones import IBN, Trunk, add_ibn_a
from vehicle_demo.models.clip_senet import AFEM, ClipSenet, ClipSenetConfig
from vehicle_demo.models.clvr import Clvr, ClvrConfig
from vehicle_demo.models.hierarchy import HiMSMin
from vehicle_demo.models.systems import SYSTEMS, build_system
from vehicle_demo.models.vehicledino import parameters_in_millions
from vehicle_demo.models.vericar import RESNET50, VeriCar, VeriCarConfig


def small(name: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    return build_system(name, {**SMALL[name], **changes})


@pytest.mark.parametrize(
    ("name", "settings", "published", "ours"),
    [
        # OpenCLIP, docs/model_profile.csv: ViT-B-16, image_mparams 86.19 (with its projection to 512).
        ("vericar", VeriCarConfig(), 86.19, 0.0),
        # torchvision, ResNet50_Weights: 25,557,032 with the classifier of 2,049,000.
        ("vericar", RESNET50, 25.557 - 2.049, 2048 * 512 + 512 * 256),
        # torchvision's ResNeXt-101-32x4d in timm's results: 44.18, with the classifier; IBN-a adds nothing (IBN-Net's
        # README). OpenCLIP, docs/model_profile.csv: ViT-M-32, image_mparams 39.69, which is TinyCLIP's ViT-40M/32.
        ("clip_senet", ClipSenetConfig(), 44.18 - 2.049 + 39.69, (2048 + 512) * 2048 + 512 * 2048),
        # Keras Applications' InceptionV3: 21,802,784 without the classifier, on which CLVR puts its dense layer.
        ("clvr", ClvrConfig(), 21.803, 2048 * 1024),
    ],
)
def test_parameters_are_those_of_the_published_networks(
    name: str, settings: Any, published: float, ours: float
) -> None:
    """No paper counts its own network: the published trunks, and the layers that the paper puts on them."""
    with torch.device("meta"):
        network = build_system(name, asdict(settings))
    assert parameters_in_millions(network) == pytest.approx(published + ours / 1e6, rel=0.02)


@pytest.mark.parametrize(("name", "width"), [("vericar", 32), ("clip_senet", 64), ("clvr", 32)])
def test_pictures_become_vectors_of_length_one(name: str, width: int) -> None:
    network = small(name).eval()
    with torch.no_grad():
        embedded = network.embed(torch.randn(3, 3, 64, 64))
        said = network(torch.randn(3, 3, 64, 64))["reid_embeds"]
    assert embedded.shape == (3, width) and said.shape == (3, 1, width)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(3))


def test_settings_that_no_system_has_are_refused() -> None:
    with pytest.raises(ValueError, match="embeding"):
        build_system("vericar", {"embeding": 128})
    with pytest.raises(ValueError, match="vericar, clip_senet, clvr"):
        build_system("yolo", {})
    assert SYSTEMS["clip_senet"].config() == ClipSenetConfig()


def test_a_backbone_sees_pictures_as_it_was_taught_them() -> None:
    """CLIP's numbers differ from ImageNet's, by which our pictures are normalised; a ResNet's do not."""
    options = {"depth": 1, "embed_dim": 32, "num_heads": 2}
    trunk = Trunk("vit_xsmall_patch16_clip_224", 32, False, options).eval()
    grey = torch.full((1, 3, 32, 32), 0.3)
    by_imagenet = (grey - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(1, 3, 1, 1)
    by_clip = (grey - torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)) / torch.tensor(
        [0.26862954, 0.26130258, 0.27577711]
    ).view(1, 3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(trunk(by_imagenet), trunk.model(by_clip), atol=1e-5, rtol=1e-4)
    plain = Trunk("resnet18", 32, False, {})
    assert plain.scale.eq(1).all() and plain.shift.eq(0).all()


def test_ibn_takes_the_light_out_of_half_the_channels() -> None:
    ibn = IBN(8).eval()
    maps = torch.randn(2, 8, 5, 5)
    with torch.no_grad():
        plain, brighter = ibn(maps), ibn(3 * maps + 1)
    torch.testing.assert_close(plain[:, :4], brighter[:, :4], atol=1e-4, rtol=1e-4)
    assert (plain[:, 4:] - brighter[:, 4:]).abs().mean() > 0.5


@pytest.mark.parametrize("name", ["resnet50", "resnext101_32x4d", "seresnet101"])
def test_ibn_a_goes_into_the_first_three_stages(name: str) -> None:
    with torch.device("meta"):
        plain: Any = timm.create_model(name)
        changed: Any = timm.create_model(name)
        add_ibn_a(changed)
    blocks = {stage: [block.bn1 for block in getattr(changed, stage)] for stage in ("layer1", "layer3", "layer4")}
    assert all(isinstance(norm, IBN) for stage in ("layer1", "layer3") for norm in blocks[stage])
    assert not any(isinstance(norm, IBN) for norm in blocks["layer4"])
    assert parameters_in_millions(changed) == parameters_in_millions(plain)
    with pytest.raises(ValueError, match="ResNets"):
        add_ibn_a(nn.Linear(1, 1))


def test_ibn_a_keeps_pretrained_scales() -> None:
    network: Any = timm.create_model("resnet50", layers=[1, 1, 1, 1])
    norm = network.layer1[0].bn1
    nn.init.normal_(norm.weight)
    norm.running_mean.normal_()
    weight, mean = norm.weight.detach().clone(), norm.running_mean.clone()
    add_ibn_a(network)
    ibn = network.layer1[0].bn1
    torch.testing.assert_close(torch.cat([ibn.instance.weight, ibn.batch.weight]).detach(), weight)
    torch.testing.assert_close(ibn.batch.running_mean, mean[32:])


def test_afem_weighs_each_group_and_adds_the_ungrouped() -> None:
    afem = AFEM(2, 4, groups=2).eval()
    with torch.no_grad():
        linear: Any = afem.linear[0]
        linear.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1], [-1, 0]]))
        linear.bias.zero_()
        afem.weights.copy_(torch.tensor([[2.0], [-0.5]]))
        enhanced = afem(torch.tensor([[3.0, 5.0]]))
    # f = ReLU(3, 5, 8, -3) (batch normalisation as it starts divides by sqrt(1 + 1e-5)); then f + (2, 2, -.5, -.5) f.
    torch.testing.assert_close(enhanced, torch.tensor([[9.0, 15.0, 4.0, 0.0]]), atol=1e-3, rtol=1e-4)
    with pytest.raises(ValueError, match="evenly"):
        AFEM(2, 10, groups=4)


def test_afem_starts_from_normal_weights() -> None:
    torch.manual_seed(0)
    weights = AFEM(4, 4096, groups=4096).weights.detach()
    assert weights.mean().abs() < 0.05 and weights.std() == pytest.approx(1, abs=0.05)


def test_parts_that_the_ablations_take_away_are_gone() -> None:
    whole, no_afem, no_semantics = small("clip_senet"), small("clip_senet", groups=0), small("clip_senet", semantic="")
    assert whole.enhance and no_afem.semantic and not no_afem.enhance and not no_semantics.semantic
    sizes = [parameters_in_millions(network) for network in (whole, no_afem, no_semantics)]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 3
    assert no_semantics.embed(torch.randn(2, 3, 64, 64)).shape == (2, 64)


def test_places_change_what_is_learnt_and_not_what_is_exported() -> None:
    network = small("clip_senet").eval()
    nn.init.normal_(network.places.weight)
    picture = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        here, there = (network.features(picture, torch.full((2,), place)) for place in (0, 2))
        untold = network.features(picture)
        some = network.features(picture, torch.tensor([-1, 0]))
    torch.testing.assert_close(there - here, (network.places.weight[2] - network.places.weight[0]).expand(2, -1))
    assert not torch.equal(untold, here)
    torch.testing.assert_close(some, torch.stack([untold[0], here[1]]))


@pytest.mark.parametrize("name", list(SMALL))
def test_every_trainable_parameter_gets_a_gradient(name: str) -> None:
    network = small(name)
    with torch.no_grad():  # some scales start at nought, and so do the gradients behind them
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    pictures = torch.randn(4, 3, 64, 64)
    if isinstance(network, ClipSenet):
        answer = network.features(pictures, torch.tensor([0, 1, 2, 0]))
    else:
        assert isinstance(network, VeriCar | Clvr)
        answer = network.embed(pictures)
    (answer * torch.randn_like(answer)).sum().backward()
    without = [n for n, p in network.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert without == []


EAST, NORTH = (1.0, 0.0), (0.0, 1.0)


def test_a_coarse_level_never_costs_more_than_a_finer_one() -> None:
    # Two cars of one make and different models lie on one another, a third of another make lies across.
    embeddings = torch.tensor([EAST, EAST, NORTH], dtype=torch.float64)
    labels = torch.tensor([[0, 0], [0, 1], [1, 2]])
    # By model nobody has its like: the first two push each other off, log(1 + e^(50 (1 - .5)) + ..) / 50.
    by_model = [math.log(1 + math.exp(25) + math.exp(-25)) / 50] * 2 + [math.log(1 + 2 * math.exp(-25)) / 50]
    # By make they are alike: log(1 + e^(-2 (1 - .5))) / 2 and a neighbour at 0, which is less, so the minimum is that.
    across = math.log(1 + math.exp(-25)) / 50
    by_make = [math.log(1 + math.exp(-1)) / 2 + across] * 2 + [math.log(1 + 2 * math.exp(-25)) / 50]
    expected = (math.exp(1) * sum(by_make) / 3 + math.exp(1 / 2) * sum(by_model) / 3) / 2
    assert HiMSMin()(embeddings, labels).item() == pytest.approx(expected, rel=1e-9)
    assert expected == pytest.approx(0.416709, abs=1e-5)
    # Lying across, by make they would be drawn together at log(1 + e^(-2 (0 - .5))) / 2; by model they may stay.
    apart = torch.tensor([EAST, NORTH, (-1.0, 0.0)], dtype=torch.float64)
    first = [math.log(1 + math.exp(-25) + math.exp(-75)) / 50, math.log(1 + 2 * math.exp(-25)) / 50]
    by_model = [first[0], first[1], first[0]]
    whole = (math.exp(1) + math.exp(1 / 2)) / 2 * sum(by_model) / 3
    assert HiMSMin()(apart, labels).item() == pytest.approx(whole, abs=1e-12)


def test_one_level_is_multi_similarity() -> None:
    from pytorch_metric_learning.losses import MultiSimilarityLoss

    torch.manual_seed(0)
    embeddings = nn.functional.normalize(torch.randn(12, 8), dim=1)
    labels = torch.arange(12) // 3
    plain = MultiSimilarityLoss(2, 50, 0.5)(embeddings, labels)
    torch.testing.assert_close(HiMSMin()(embeddings, labels[:, None]), math.e * plain)


def test_the_loss_reaches_the_embeddings_on_every_level() -> None:
    """A known re-implementation lost the gradient: its levels ended in plain numbers."""
    torch.manual_seed(0)
    embeddings = nn.functional.normalize(torch.randn(8, 4, dtype=torch.float64), dim=1).requires_grad_()
    labels = torch.tensor([[0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [1, 2, 3], [1, 3, 4], [1, 3, 5]])
    loss = HiMSMin()
    assert torch.autograd.gradcheck(lambda values: loss(values, labels), (embeddings,))
    gradients = []
    for levels in (1, 2, 3):
        (gradient,) = torch.autograd.grad(loss(embeddings, labels[:, :levels]), embeddings)
        gradients.append(gradient)
    assert all(gradient.abs().sum() > 0.1 for gradient in gradients)
    assert not torch.allclose(gradients[0], gradients[1]) and not torch.allclose(gradients[1], gradients[2])


def test_a_batch_without_pairs_costs_nothing_and_has_a_gradient() -> None:
    alone = torch.tensor([EAST], requires_grad=True)
    loss = HiMSMin()(alone, torch.tensor([[3, 4]]))
    loss.backward()
    assert loss.item() == 0 and alone.grad is not None and not alone.grad.any()
