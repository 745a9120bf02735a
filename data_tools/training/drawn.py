"""Scenes that the project draws, as training pictures."""

from __future__ import annotations

from pathlib import Path


def draw_training_scenes(cache: Path, count: int, seed: int) -> Path:
    """Draw `count` scenes once into `cache/drawn-COUNT-SEED/drawn.parquet` and return that folder."""
    from data_tools.drawing import write_parquet

    folder = cache / f"drawn-{count}-{seed}"
    if not (folder / "drawn.parquet").exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_parquet(folder / "drawn.parquet", count, seed)
    return folder
