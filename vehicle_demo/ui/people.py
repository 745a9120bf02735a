"""Who is asking: every handler that writes calls `person_of` first."""

from __future__ import annotations

import os
import time
from typing import Any

LOCAL = "local"


class NotAllowedError(PermissionError):
    """This visitor may not write here; the message is a sentence that says what to do."""


def person_of(request: Any) -> str:
    """The name under which what a visitor says is kept.

    On Spaces it is who has signed in with Hugging Face; elsewhere whoever reaches the server is `local`.

    Args:
        request: `gr.Request`, or the web framework's own, of the call.

    Raises:
        NotAllowedError: nobody is signed in, or the sign-in is over.
    """
    if not os.environ.get("SPACE_ID"):
        return LOCAL
    signed_in = (request.scope.get("session") or {}).get("oauth_info") or {}
    name = signed_in.get("userinfo", {}).get("preferred_username")
    if not name or signed_in.get("expires_at", 0) < time.time():
        raise NotAllowedError("Sign in with Hugging Face to correct plates. Looking needs no sign-in.")
    return str(name)
