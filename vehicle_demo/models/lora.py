"""LoRA on a frozen backbone (Hu et al., arXiv 2106.09685), by peft."""

from __future__ import annotations

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn


def add_lora(backbone: nn.Module, rank: int) -> None:
    """Freeze `backbone` and put adapters of this rank on its linear layers and its 1 x 1 convolutions, in place.

    Those are a ViT's attention and MLP layers, and what mixes the channels of a convolutional network, whose layers in
    groups are too thin for adapters. Scales and shifts of normalisation stay frozen too; their running statistics are
    not parameters, so train with the backbone in `eval()` to keep them.

    Raises:
        ValueError: the backbone has none of these layers.
    """
    adapted = [name for name, layer in backbone.named_modules() if _mixes_channels(layer)]
    if not adapted:
        raise ValueError("The backbone has neither linear layers nor 1 x 1 convolutions, so LoRA has nothing to adapt.")
    for parameter in backbone.parameters():
        parameter.requires_grad_(False)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=adapted, bias="none")
    inject_adapter_in_model(config, backbone)


def merge_lora(module: nn.Module) -> None:
    """Add every adapter's product to the weights it adapts and take the adapters out, in place."""
    # By this peft knows what has adapters already.
    vars(module).pop("peft_config", None)
    for name, child in list(module.named_children()):
        if isinstance(child, LoraLayer):
            child.merge()
            setattr(module, name, child.get_base_layer())
        else:
            merge_lora(child)


def _mixes_channels(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d):
        return layer.kernel_size == (1, 1) and layer.groups == 1
    return isinstance(layer, nn.Linear)
