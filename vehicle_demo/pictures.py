"""Pictures kept for later, each once, under the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from vehicle_demo.durable import write_whole


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
        write_whole(path, content)
        return sha256
