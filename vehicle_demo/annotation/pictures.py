"""Pictures that people were asked about, each once, under the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pictures:
    """A folder of files named by their content; any number of processes may add to it."""

    folder: Path

    def path(self, sha256: str) -> Path:
        """Where the picture with this digest (64 hex digits) is or would be."""
        return self.folder / sha256[:2] / sha256

    def add(self, content: bytes) -> str:
        """Keep an encoded picture; the file is whole and on the disk when this returns its digest. Raises OSError."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.path(sha256)
        if path.exists():
            return sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written beside its place, then moved into it: a killed process leaves no half picture under a good name.
        descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=".part-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return sha256
