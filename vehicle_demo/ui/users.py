"""Who may write where there is no Hugging Face to ask: a list of names with hashed passwords, kept in a file."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vehicle_demo.durable import write_whole

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,39}")
SHORTEST_PASSWORD = 8
# OWASP's choice for machines that have no 128 MB to spare for each password: 32 MB and about a quarter of a second.
_COST = {"n": 2**15, "r": 8, "p": 3}
_MEMORY = 64 * 2**20


class UserListError(ValueError):
    """The list cannot be used or changed so; the message is a sentence that says what to do."""


@dataclass(frozen=True)
class UserList:
    """`path` is the file; while it is not there, there is no list, which is not the same as an empty one."""

    path: Path

    @property
    def kept(self) -> bool:
        """Whether there is a list at all."""
        return self.path.exists()

    def names(self) -> list[str]:
        """Everybody on the list, in order. Raises UserListError."""
        return sorted(self._read())

    def put(self, name: str, password: str) -> None:
        """Add a person, or change a password, which ends that person's sessions.

        Raises:
            UserListError: the name or the password will not do, or the file cannot be used.
        """
        if not NAME.fullmatch(name):
            raise UserListError("A name begins with a letter or digit; then letters, digits and . _ @ -, 40 in all.")
        if len(password) < SHORTEST_PASSWORD:
            raise UserListError(f"A password has at least {SHORTEST_PASSWORD} characters.")
        salt = secrets.token_bytes(16)
        record = {**_COST, "salt": salt.hex(), "hash": _hashed(password, salt, _COST).hex()}
        self._write({**self._read(), name: record})

    def remove(self, name: str) -> None:
        """Take a person off the list, which ends that person's sessions. Raises UserListError."""
        users = self._read()
        if name not in users:
            raise UserListError(f"There is nobody called {name} on the list.")
        del users[name]
        self._write(users)

    def check(self, name: str, password: str) -> str | None:
        """The person's `mark` when the password is right, else None, after the same time for every name.

        Raises:
            UserListError: the file cannot be used.
        """
        record = self._read().get(name)
        known = record or {**_COST, "salt": "00" * 16, "hash": "00" * 64}
        cost = {part: int(known[part]) for part in _COST}
        right = hmac.compare_digest(_hashed(password, bytes.fromhex(known["salt"]), cost), bytes.fromhex(known["hash"]))
        return _mark(record) if right and record else None

    def mark(self, name: str) -> str | None:
        """What a session must hold to be this person's; it changes with the password. None for who is not listed.

        Raises:
            UserListError: the file cannot be used.
        """
        record = self._read().get(name)
        return _mark(record) if record else None

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            users = json.loads(self.path.read_text())
            if not all(set(record) == {*_COST, "salt", "hash"} for record in users.values()):
                raise ValueError
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise UserListError(f"The user list {self.path} is damaged. Mend or delete it.") from error
        return dict(users)

    def _write(self, users: dict[str, dict[str, Any]]) -> None:
        try:
            write_whole(self.path, json.dumps(users, indent=1, sort_keys=True).encode())
        except OSError as error:
            raise UserListError(f"The user list {self.path} cannot be written: {error.strerror}.") from error


def _hashed(password: str, salt: bytes, cost: dict[str, int]) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, maxmem=_MEMORY, **cost)


def _mark(record: dict[str, Any]) -> str:
    return hashlib.sha256(f"{record['salt']} {record['hash']}".encode()).hexdigest()[:32]
