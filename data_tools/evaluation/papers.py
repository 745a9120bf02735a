"""What the papers say of themselves: on other pictures, with pretrained backbones. Never measured here.

Copied from what others cite of them in public (a digest of CLIP-SENet's tables, the README of a re-implementation of
Veri-Car), as the papers' pages could not be opened; of CLVR nothing was found that could be checked, so it has none.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """A figure in per cent that a paper reports, what it is of, and where it stands."""

    system: str
    setting: str
    figures: dict[str, float]
    source: str


_SENET = "Lu, Fu et al., arXiv 2502.16815"

CLAIMS = (
    Claim("Veri-Car", "Stanford Cars, ViT-B/16, 128-d, retrieval", {"top-1": 96.18}, "Muñoz et al., arXiv 2411.06864"),
    Claim("CLIP-SENet", "VeRi-776, re-ranked", {"mAP": 92.9, "rank-1": 98.7, "rank-5": 99.1}, f"{_SENET}, table I"),
    Claim("CLIP-SENet", "VehicleID, 800", {"rank-1": 90.4, "rank-5": 98.7}, f"{_SENET}, table I"),
    Claim("CLIP-SENet", "VehicleID, 1,600", {"rank-1": 85.5, "rank-5": 96.5}, f"{_SENET}, table I"),
    Claim("CLIP-SENet", "VehicleID, 2,400", {"rank-1": 82.7, "rank-5": 94.8}, f"{_SENET}, table I"),
    Claim("CLIP-SENet", "VERI-Wild, small", {"mAP": 89.1, "rank-1": 97.9}, f"{_SENET}, table III"),
    Claim(
        "CLIP-SENet", "VeRi-776, appearance alone", {"mAP": 86.7, "rank-1": 96.8, "rank-5": 97.9}, f"{_SENET}, table IV"
    ),
    Claim("CLIP-SENet", "the same + SEM", {"mAP": 87.3, "rank-1": 97.0, "rank-5": 97.6}, f"{_SENET}, table IV"),
    Claim("CLIP-SENet", "the same + SEM + AFEM", {"mAP": 91.4, "rank-1": 97.6, "rank-5": 98.5}, f"{_SENET}, table IV"),
)
