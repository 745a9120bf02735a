"""A small part of the Hub over HTTP: one private dataset or model with its files and commits; it fails when told to."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from vehicle_demo.annotation.remote import HubRemote

COMMIT = "c" * 40


@dataclass
class FakeHub:
    """What is on it, and how it answers: with `status` unless that is 200, and only once `open` is set."""

    repo: str = "someone/labels"
    kind: str = "dataset"
    private: bool = True
    created: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0
    status: int = 200
    open: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body)."""
        api = f"/api/{self.kind}s/{self.repo}"
        page = f"/{self.repo}" if self.kind == "model" else f"/datasets/{self.repo}"
        if self.status != 200:
            return self.status, {}, b'{"error": "as told"}'
        if path == "/api/repos/create":
            self.created = True
            self.private = json.loads(body)["visibility"] == "private"
            return self._told({"url": f"{self.url}{page}"})
        if not self.created:
            return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
        if path.startswith(f"{api}/tree/"):
            _, _, folder = path.removeprefix(f"{api}/tree/").partition("/")
            return self._told(self._listed(unquote(folder)))
        if path.startswith(f"{api}/preupload/"):
            asked = json.loads(body)["files"]
            told = [{**self._known(one["path"]), "uploadMode": "regular", "shouldIgnore": False} for one in asked]
            return self._told({"files": told})
        if path.startswith(f"{api}/commit/"):
            for line in body.splitlines():
                told = json.loads(line)
                if told["key"] == "file":
                    self.files[told["value"]["path"]] = base64.b64decode(told["value"]["content"])
                if told["key"] == "deletedFile":
                    del self.files[told["value"]["path"]]
            self.commits += 1
            return self._told({"commitUrl": f"{self.url}{page}/commit/{COMMIT}", "commitOid": COMMIT, "hookOutput": ""})
        if path.startswith(f"{page}/resolve/"):
            name = unquote(path).split("/resolve/", 1)[1].partition("/")[2]
            if name not in self.files:
                return 404, {"X-Error-Code": "EntryNotFound"}, b""
            content = self.files[name]
            tag = hashlib.sha1(content).hexdigest()
            return 200, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT}, content
        return self._told({"id": self.repo, "private": self.private, "sha": COMMIT})

    def _listed(self, folder: str) -> list[dict[str, Any]]:
        """All files below a folder, and the folders that they are in."""
        below = [PurePosixPath(name) for name in self.files if PurePosixPath(name).is_relative_to(folder)]
        folders = {str(parent) for name in below for parent in name.parents if str(parent) not in (".", folder)}
        return [
            *({"type": "directory", "path": name, "oid": "0"} for name in sorted(folders)),
            *({"type": "file", "path": str(name), "size": len(self.files[str(name)]), "oid": "0"} for name in below),
        ]

    def remote(self) -> HubRemote:
        """The dataset as the label store reaches it."""
        return HubRemote(self.repo, endpoint=self.url, token="hf_made_up")

    def _known(self, path: str) -> dict[str, str]:
        """The path, and git's name of what is there: a client need not send that again."""
        content = self.files.get(path)
        named = {} if content is None else {"oid": hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()}
        return {"path": path, **named}

    @staticmethod
    def _told(content: Any) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """The Hub, on a free port of this machine."""
    hub = FakeHub()
    hub.open.set()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            hub.open.wait(60)
            status, headers, content = hub.answer(self.command, urlsplit(self.path).path, body)
            part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if status == 200 and part:
                first, last = (int(place) for place in part.groups())
                headers = {**headers, "Content-Range": f"bytes {first}-{last}/{len(content)}"}
                status, content = 206, content[first : last + 1]
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = _answer

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        hub.open.set()
        server.shutdown()
        server.server_close()
