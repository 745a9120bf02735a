"""Places far from here where files are kept: a private dataset on the Hub, or a folder."""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from huggingface_hub import HfApi

# A Hub that is slow gets this long for one answer, so that one that hangs is asked again.
_PATIENCE_S = 90.0


class RemoteError(RuntimeError):
    """The place cannot be used now; the message is a sentence that says what to do."""


class Remote(Protocol):
    """Where files are kept under names with `/` between their parts. Every method raises RemoteError."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def files(self) -> set[str]:
        """The names of all files."""
        ...

    def read(self, name: str) -> bytes:
        """The content of one."""
        ...

    def write(self, files: Mapping[str, bytes | None], says: str) -> None:
        """Keep all of these or, if it fails, perhaps none; what has one of the names is replaced.

        A file that is there and given as None is taken away.
        """
        ...


@dataclass(frozen=True)
class Kind:
    """A kind of repository on the Hub (`dataset` or `model`), and the setting that names one."""

    repo_type: str
    setting: str
    must_be_private: bool


LABELS: Final = Kind("dataset", "VEHICLE_DEMO_DATASET", must_be_private=True)


def remote_named(name: str, kind: Kind = LABELS) -> Remote:
    """What a setting names: a folder where it begins with / or ., else a repository `owner/name` on the Hub."""
    return FolderRemote(Path(name)) if name.startswith(("/", ".")) else HubRemote(name, kind=kind)


@dataclass(frozen=True)
class FolderRemote:
    """A folder, such as one that several machines share."""

    folder: Path

    @property
    def name(self) -> str:
        """See `Remote`."""
        return str(self.folder)

    def files(self) -> set[str]:
        """See `Remote`."""
        with _disk_sentences(self.name):
            found = (path for path in self.folder.rglob("*") if path.is_file() and not path.name.startswith("."))
            return {path.relative_to(self.folder).as_posix() for path in found}

    def read(self, name: str) -> bytes:
        """See `Remote`."""
        with _disk_sentences(self.name):
            return (self.folder / name).read_bytes()

    def write(self, files: Mapping[str, bytes | None], says: str) -> None:
        """See `Remote`."""
        with _disk_sentences(self.name):
            for name, content in files.items():
                path = self.folder / name
                if content is None:
                    path.unlink()
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                # Not a temporary file, which only its owner could read: other machines have other owners.
                part = path.with_name(f".part-{secrets.token_hex(8)}")
                with part.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(part, path)


class HubRemote:
    """A repository on the Hub, made (private) when it is not there; HF_TOKEN, or who is signed in here, may write."""

    def __init__(self, name: str, endpoint: str | None = None, token: str | None = None, kind: Kind = LABELS) -> None:
        """`endpoint` is the Hub's address where it is not the usual one."""
        self._name = name
        self._kind = kind
        self._endpoint = endpoint
        self._token = token
        self._checked = False

    @property
    def name(self) -> str:
        """See `Remote`."""
        return self._name

    def files(self) -> set[str]:
        """See `Remote`."""
        from huggingface_hub.hf_api import RepoFile

        with self._asked() as api:
            tree = api.list_repo_tree(self.name, repo_type=self._kind.repo_type, recursive=True)
            return {entry.path for entry in tree if isinstance(entry, RepoFile)}

    def read(self, name: str) -> bytes:
        """See `Remote`."""
        with self._asked() as api, tempfile.TemporaryDirectory() as folder:
            return Path(
                api.hf_hub_download(self.name, name, repo_type=self._kind.repo_type, local_dir=folder)
            ).read_bytes()

    def write(self, files: Mapping[str, bytes | None], says: str) -> None:
        """See `Remote`. What is there with the same content is not sent again."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        with self._asked() as api:
            operations = [
                CommitOperationDelete(name) if content is None else CommitOperationAdd(name, content)
                for name, content in files.items()
            ]
            api.create_commit(self.name, operations, commit_message=says, repo_type=self._kind.repo_type)

    @contextmanager
    def _asked(self) -> Iterator[HfApi]:
        """The Hub's client, once the repository is there and as it must be; its failures as sentences."""
        # Takes a quarter of a second, and only who syncs needs it.
        from huggingface_hub import HfApi
        from huggingface_hub.errors import (
            HfHubHTTPError,
            HFValidationError,
            LocalTokenNotFoundError,
            RepositoryNotFoundError,
        )

        try:
            _be_patient()
            api = HfApi(self._endpoint, self._token)
            if not self._checked:
                try:
                    private = api.repo_info(self.name, repo_type=self._kind.repo_type).private
                except RepositoryNotFoundError:
                    api.create_repo(self.name, repo_type=self._kind.repo_type, private=True, exist_ok=True)
                    private = True
                if self._kind.must_be_private and not private:
                    raise RemoteError(
                        f"The {self._kind.repo_type} {self.name} is public. Make it private, or name another one."
                    )
                self._checked = True
            try:
                yield api
            except Exception:
                # The next attempt begins with a question that the library asks once, not five times.
                self._checked = False
                raise
        except HFValidationError as error:
            named = f"{self._kind.setting} names no {self._kind.repo_type}: {self.name}."
            raise RemoteError(f"{named} Write owner/name.") from error
        except LocalTokenNotFoundError as error:
            raise RemoteError(self._said(401)) from error
        except HfHubHTTPError as error:
            raise RemoteError(self._said(getattr(error.response, "status_code", 0))) from error
        except RemoteError:
            raise
        # Each library below has its own exceptions for a connection that fails.
        except Exception as error:
            logging.getLogger(__name__).warning("Syncing failed", exc_info=True)
            raise RemoteError(self._said(0)) from error

    def _said(self, status: int) -> str:
        if status in (401, 403, 404):
            return f"The Hub does not let this app write to {self.name}. Set HF_TOKEN to a token that may."
        if status == 429:
            return "The Hub asks to be called less often."
        return f"The Hub failed with error {status}." if status else "The Hub does not answer."


@cache
def _be_patient() -> None:
    """Put an end to the waiting of the Hub's library, which in some calls would go on for ever."""
    from huggingface_hub import set_client_factory

    set_client_factory(_patient_client)


def _patient_client() -> Any:
    from huggingface_hub.utils._http import default_client_factory

    def bounded(request: Any) -> None:
        limits = request.extensions.get("timeout", {})
        request.extensions["timeout"] = {
            part: limits.get(part) or _PATIENCE_S for part in ("connect", "read", "write", "pool")
        }

    client = default_client_factory()
    client.event_hooks = {**client.event_hooks, "request": [*client.event_hooks["request"], bounded]}
    return client


@contextmanager
def _disk_sentences(name: str) -> Iterator[Any]:
    try:
        yield
    except OSError as error:
        raise RemoteError(f"The folder {name} cannot be used: {os.strerror(error.errno or 0)}.") from error
