"""The published systems at sizes for a laptop's tests; every part of the large ones is there."""

from __future__ import annotations

from typing import Any

_RESNET = {"layers": [1, 1, 1, 1], "channels": [16, 16, 32, 32], "stem_type": "deep", "stem_width": 8}
_VIT = {"depth": 2, "embed_dim": 32, "num_heads": 2}

SMALL: dict[str, dict[str, Any]] = {
    "vericar": {
        "backbone": "resnet50", "image_size": 64, "embedding": 32, "hidden": (64,), "dropout": 0.1, "options": _RESNET
    },
    "clip_senet": {
        "backbone": "resnext101_32x4d", "image_size": 64, "semantic": "vit_xsmall_patch16_clip_224",
        "semantic_width": 16, "fused": 64, "groups": 8, "places": 3,
        "options": {**_RESNET, "cardinality": 4}, "semantic_options": _VIT,
    },
    "clvr": {"backbone": "resnet26", "image_size": 64, "dense": 32, "options": _RESNET},
}  # fmt: skip
