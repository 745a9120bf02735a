"""A version of the heads for others: its files as they are, as a zip or in a model repository on the Hub."""

from __future__ import annotations

import io
import zipfile
from typing import Final

from vehicle_demo.annotation.remote import Kind, Remote
from vehicle_demo.retraining.versions import Versions

HEADS: Final = Kind("model", "VEHICLE_DEMO_MODEL", must_be_private=False)
_CARD = "README.md"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first day that a zip file knows


def files_of(versions: Versions, name: str) -> dict[str, bytes]:
    """The files of a version by name, with a README that says what it is.

    Raises:
        VersionError: there is none of that name, or it is damaged.
    """
    return {**versions.files(name), _CARD: _card(versions, name).encode()}


def zip_of(versions: Versions, name: str) -> bytes:
    """The same as a zip of one folder, which unpacks into any home's folder of versions. Raises VersionError."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file, content in files_of(versions, name).items():
            archive.writestr(zipfile.ZipInfo(f"{name}/{file}", _EPOCH), content)
    return buffer.getvalue()


def push(versions: Versions, name: str, remote: Remote) -> None:
    """Put the files into a folder named after the checkpoint and the version, and its README on the first page.

    Raises:
        VersionError: as `files_of` does; nothing was sent.
        RemoteError: the other side cannot be used.
    """
    files = files_of(versions, name)
    folder = f"{versions.folder.name}/{name}"
    sent = {f"{folder}/{file}": content for file, content in files.items()}
    remote.write({**sent, _CARD: files[_CARD]}, f"Heads {name} of {versions.checkpoint}")


def _card(versions: Versions, name: str) -> str:
    version = versions.about(name)
    labels = ", ".join(f"{len(names)} {task}s" for task, names in version.labels.items())
    reader = ", and the last layer of its plate reader" if version.reader else ""
    graph = {"": "", name: " It has a graph of its own, in `checkpoint`: the backbone was adapted to corrections."}.get(
        version.backbone, f" They read the graph of `{version.backbone}`: that version must be there too."
    )
    return (
        "---\ntags: [vehicledino-studio]\n---\n"
        f"# Heads {name} of {version.checkpoint}\n\n"
        f"Linear heads ({labels}) for the features of {version.checkpoint}{reader}, fitted from "
        f"{version.about.parent} by {version.about.person} on {version.at[:10]}.{graph}\n\n"
        f"{version.about.figures.get('verdict', '')}\n\n"
        f"Put the folder `{name}` into `VEHICLE_DEMO_HOME/heads/{versions.folder.name}` and promote it in the Retrain "
        f"tab. SHA-256 of the heads: `{version.sha256}`.\n"
    )
