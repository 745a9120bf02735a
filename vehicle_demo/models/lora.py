"""LoRA on a frozen backbone (Hu et al., arXiv 2106.09685), by peft."""

from __future__ import annotations

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn


def add_lora(backbone: nn.Module, rank: int) -> None:
    """Freeze `backbone` and put adapters of this rank on its attention and MLP layers, in place.

    Raises ValueError (from peft) when the backbone has none of the layers a timm ViT has.
    """
    for parameter in backbone.parameters():
        parameter.requires_grad_(False)
    inject_adapter_in_model(
        LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=["qkv", "proj", "fc1", "fc2"], bias="none"), backbone
    )


def merge_lora(module: nn.Module) -> None:
    """Add every adapter's product to the weights it adapts and take the adapters out, in place."""
    for name, child in list(module.named_children()):
        if isinstance(child, LoraLayer):
            child.merge()
            setattr(module, name, child.get_base_layer())
        else:
            merge_lora(child)
