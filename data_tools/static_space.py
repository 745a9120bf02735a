"""The page of recognition in the browser as a folder: a static Space, or for any web server."""

from __future__ import annotations

import shutil
from pathlib import Path

_README = """---
title: {title}
colorFrom: blue
colorTo: gray
sdk: static
app_file: index.html
license: apache-2.0
short_description: Find every vehicle in a photo, in your own browser
custom_headers:
{headers}
---

# {title}

Recognises vehicles in a photo with {checkpoint} in the visitor's own browser: the photo never leaves the device.
Written by `python -m data_tools export --static-space`.

As a Space: make one with the SDK "static" and upload this folder (`hf upload OWNER/NAME . --repo-type space`). Behind
any other web server: serve the folder over HTTPS, `.js` and `.mjs` as `text/javascript`, `files/` with
`Cache-Control: public, max-age=31536000, immutable`, and everything with the three headers above; without them the
first visit runs on one thread. To look at it here: `python -m http.server --bind 127.0.0.1`.
"""


def write_static_space(checkpoint: Path, folder: Path, runtime: Path | None = None) -> None:
    """Write the page for a checkpoint's own heads; files of an earlier export that are not part of it any more go.

    Args:
        checkpoint: its folder.
        folder: made where it is not there; what else lies in it stays.
        runtime: an installed onnxruntime-web to copy; without one the page takes it from the CDN.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
        FileNotFoundError: the runtime's folder has not all of it.
    """
    from vehicle_demo.recognition import Recognizer
    from vehicle_demo.ui.browser_page import ISOLATION, build_page
    from vehicle_demo.ui.services import SAMPLES
    from vehicle_demo.ui.shell import TITLE

    recognizer = Recognizer.from_checkpoint(checkpoint)
    page = build_page(recognizer, sorted((SAMPLES / "photos").glob("*.jpg")), runtime=runtime)
    for name, source in page.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            path.write_bytes(source)
        else:
            shutil.copyfile(source, path)
    for path in (folder / "files").iterdir():
        if f"files/{path.name}" not in page.kept:
            path.unlink()
    headers = "\n".join(f"  {name.lower()}: {value}" for name, value in ISOLATION.items())
    title = f"{TITLE}, in your browser"
    (folder / "README.md").write_text(
        _README.format(title=title, headers=headers, checkpoint=recognizer.checkpoint.title)
    )
    size = sum((folder / name).stat().st_size for name in page.files) / 1e6
    print(f"{folder}: {len(page.files) + 1} files, {size:.1f} MB")
