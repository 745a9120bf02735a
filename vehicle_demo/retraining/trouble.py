"""What went wrong with a disk or a process, in plain words."""

from __future__ import annotations

import errno
import os
import signal

_FULL = {errno.ENOSPC, errno.EDQUOT}


def disk_said(error: OSError) -> str:
    """Why files could not be read or written, and what to do."""
    if error.errno in _FULL:
        return "The disk is full. Nothing was changed: make room and try again."
    return f"A file could not be used ({os.strerror(error.errno or errno.EIO)}). Nothing was changed; try again."


def ending_said(code: int) -> str:
    """How a process ended that said nothing of it, from its exit code."""
    if code == -signal.SIGKILL:
        how = "was killed, as a server does that runs out of memory"
    elif code < 0:
        how = f"was ended by {signal.Signals(-code).name}"
    else:
        how = f"broke off with code {code}; the server's log says why"
    return f"The fit {how}. Nothing was changed; start it again."
