"""The databases that labels can be in (SQLite always, PostgreSQL where its programs are installed), and a Hub."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import create_engine, text

from tests.fake_hub import FakeHub, fake_hub
from vehicle_demo.annotation.store import Store

_SCHEMAS = count()


def _program(name: str) -> str | None:
    """PostgreSQL's program of that name; Debian keeps most of them out of the path."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return shutil.which(name) or (str(versions[-1]) if versions else None)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL server of our own, which is gone afterwards."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    user = None
    if os.geteuid() == 0:  # it refuses to be run by root
        user = next((name for name in ("postgres", "nobody") if name in {one.pw_name for one in pwd.getpwall()}), None)
    folder = Path(tempfile.mkdtemp(prefix="studio-pg-"))  # a socket's path must be short
    if user:
        shutil.chown(folder, user)

    def run(*command: str) -> None:
        subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    settings = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c max_connections=60"
    run(initdb, "-D", f"{folder}/data", "-U", "studio", "-A", "trust", "-E", "UTF8", "--no-sync")
    run(pg_ctl, "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", settings, "-w", "-t", "120", "start")
    yield f"postgresql+psycopg://studio@/postgres?host={folder}"
    run(pg_ctl, "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'labels.sqlite'}"
    server = request.getfixturevalue("postgresql")
    schema = f"test{next(_SCHEMAS)}"
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    engine.dispose()
    return f"{server}&options={quote(f'-csearch_path={schema}')}"


@pytest.fixture
def store(tmp_path: Path, database: str) -> Iterator[Store]:
    """An empty store, once in each kind of database."""
    store = Store(tmp_path, database)
    yield store
    store.close()


@pytest.fixture
def in_sqlite(tmp_path: Path) -> Store:
    """An empty store in SQLite, for what only that has."""
    return Store(tmp_path)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """An empty Hub that answers."""
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    with fake_hub() as hub:
        yield hub
