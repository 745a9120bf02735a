"""Hugging Face's sign-in over HTTP, as OpenID Connect has it: a page that asks, codes, and tokens that are signed."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "studio-client", "studio-secret"


@dataclass
class FakeProvider:
    """Who can sign in there: names with the organisations they are in. `lasts_s` is how long a sign-in is good for.

    `asked` are the authorisation requests that came, `spent` the codes that were exchanged.
    """

    people: Mapping[str, tuple[str, ...]]
    lasts_s: int = 3600
    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    spent: list[str] = field(default_factory=list)
    _codes: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    _key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "fake"}))

    def environment(self) -> dict[str, str]:
        """What Hugging Face sets in a Space with `hf_oauth: true`."""
        return {
            "OPENID_PROVIDER_URL": self.url,
            "OAUTH_CLIENT_ID": CLIENT,
            "OAUTH_CLIENT_SECRET": SECRET,
            "OAUTH_SCOPES": "openid profile",
        }

    def get(self, path: str, query: dict[str, str]) -> tuple[int, str, str]:
        """(status, content type, body)."""
        if path == "/.well-known/openid-configuration":
            return self._json(
                {
                    "issuer": self.url,
                    "authorization_endpoint": f"{self.url}/oauth/authorize",
                    "token_endpoint": f"{self.url}/oauth/token",
                    "jwks_uri": f"{self.url}/oauth/jwks",
                    "id_token_signing_alg_values_supported": ["RS256"],
                }
            )
        if path == "/oauth/jwks":
            return self._json({"keys": [self._key.as_dict(private=False)]})
        if path == "/oauth/authorize" and query.get("client_id") == CLIENT and query.get("response_type") == "code":
            self.asked.append(query)
            return 200, "text/html", self._page(query)
        return 404, "text/plain", "nothing here"

    def token(self, sent: dict[str, str], client: str) -> tuple[int, str, str]:
        """Exchange a code, once, for who asks as the client that it was given to."""
        code = sent.get("code", "")
        person, query = self._codes.pop(code, ("", {}))
        if not person or client != f"{CLIENT}:{SECRET}" or sent.get("redirect_uri") != query["redirect_uri"]:
            return 400, "application/json", json.dumps({"error": "invalid_grant"})
        self.spent.append(code)
        now = int(time.time())
        claims = {
            **{"iss": self.url, "aud": CLIENT, "sub": person, "iat": now, "exp": now + 600, "nonce": query["nonce"]},
            **{"name": person.title(), "preferred_username": person, "profile": f"{self.url}/{person}", "picture": ""},
            "orgs": [{"preferred_username": name} for name in self.people[person]],
        }
        token = jwt.encode({"alg": "RS256", "kid": "fake"}, claims, self._key)
        told = {"access_token": secrets.token_hex(8), "token_type": "bearer", "expires_in": self.lasts_s}
        return self._json({**told, "id_token": token})

    def _page(self, query: dict[str, str]) -> str:
        links = []
        for person in self.people:
            code = secrets.token_hex(8)
            self._codes[code] = person, query
            joined = "&" if "?" in query["redirect_uri"] else "?"
            back = query["redirect_uri"] + joined + urlencode({"code": code, "state": query["state"]})
            links.append(f'<a href="{escape(back)}">Authorize as {person}</a>')
        return "<h1>Sign in</h1>" + " ".join(links)

    @staticmethod
    def _json(content: Any) -> tuple[int, str, str]:
        return 200, "application/json", json.dumps(content)


@contextmanager
def fake_provider(people: Mapping[str, tuple[str, ...]]) -> Iterator[FakeProvider]:
    """The provider, on a free port of this machine."""
    provider = FakeProvider(people)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            self._send(provider.get(asked.path, _plain(asked.query)))

        def do_POST(self) -> None:
            sent = _plain(self.rfile.read(int(self.headers["Content-Length"])).decode())
            basic = self.headers.get("Authorization", "").removeprefix("Basic ")
            self._send(provider.token(sent, base64.b64decode(basic).decode()))

        def _send(self, answer: tuple[int, str, str]) -> None:
            status, kind, body = answer
            content = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()


def _plain(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
