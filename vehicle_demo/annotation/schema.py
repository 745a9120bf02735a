"""The label store's tables, and the steps from one version of them to the next."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

# Values of several parts (box, corners, prediction, what was said) are kept as JSON text. Times are UTC, ISO 8601.
# `events` is only ever added to. `live` is what of it has not been undone, `labels` what therefore holds now.
_FIRST = (
    """CREATE TABLE pictures (
        sha256 TEXT PRIMARY KEY, width INTEGER NOT NULL, height INTEGER NOT NULL, added TEXT NOT NULL)""",
    """CREATE TABLE items (
        id {id}, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, picture TEXT NOT NULL REFERENCES pictures (sha256),
        box TEXT NOT NULL, corners TEXT NOT NULL, around TEXT NOT NULL, prediction TEXT NOT NULL,
        reading TEXT NOT NULL, layout TEXT NOT NULL, length INTEGER NOT NULL, confidence {float} NOT NULL,
        checkpoint TEXT NOT NULL, heads_version TEXT NOT NULL, source TEXT NOT NULL, added TEXT NOT NULL)""",
    "CREATE INDEX items_by_confidence ON items (kind, confidence)",
    """CREATE TABLE events (
        id {id}, item INTEGER NOT NULL REFERENCES items (id), person TEXT NOT NULL, at TEXT NOT NULL,
        kind TEXT NOT NULL, field TEXT NOT NULL, value_before TEXT NOT NULL, value TEXT NOT NULL, seconds {float},
        client TEXT NOT NULL UNIQUE, undoes INTEGER REFERENCES events (id))""",
    "CREATE INDEX events_of_item ON events (item, field)",
    "CREATE INDEX events_of_person ON events (person)",
    "CREATE INDEX events_undoing ON events (undoes)",
    """CREATE VIEW live AS SELECT e.* FROM events e WHERE e.undoes IS NULL AND coalesce(
        (SELECT u.kind FROM events u WHERE u.undoes = e.id ORDER BY u.id DESC LIMIT 1), 'redo') = 'redo'""",
    """CREATE VIEW labels AS SELECT e.* FROM live e WHERE e.field <> ''
        AND e.id = (SELECT max(o.id) FROM live o WHERE o.item = e.item AND o.field = e.field)""",
)
_FIRST_SQLITE = tuple(
    f"CREATE TRIGGER events_never_{verb} BEFORE {verb} ON events "
    "BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END"
    for verb in ("UPDATE", "DELETE")
)
# Who is looking at an item until when: `holder` is a person's open page, `until` seconds since 1970.
_LEASES = (
    """CREATE TABLE leases (
        item INTEGER PRIMARY KEY REFERENCES items (id), holder TEXT NOT NULL, until {float} NOT NULL)""",
)
# PostgreSQL's way to what SQLite has from the first.
_GUARD = (
    """CREATE FUNCTION events_never_change() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'events are only ever added'; END $$""",
    """CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events
        FOR EACH STATEMENT EXECUTE FUNCTION events_never_change()""",
)

# Items of every kind have what `items` has; what only plates or only vehicles have is in a table of theirs. `urgency`
# and `why` are what the queue of vehicles goes by, `alike` the first item of those that look nearly the same,
# `opinions` how many people are to be asked.
_OF_PLATES = ("corners", "around", "reading", "layout", "length")
_KINDS = (
    """CREATE TABLE plates (
        item INTEGER PRIMARY KEY REFERENCES items (id), corners TEXT NOT NULL, around TEXT NOT NULL,
        reading TEXT NOT NULL, layout TEXT NOT NULL, length INTEGER NOT NULL)""",
    "INSERT INTO plates SELECT id, corners, around, reading, layout, length FROM items WHERE kind = 'plate'",
    *(f"ALTER TABLE items DROP COLUMN {column}" for column in _OF_PLATES),
    """CREATE TABLE vehicles (
        item INTEGER PRIMARY KEY REFERENCES items (id), type TEXT NOT NULL, make TEXT NOT NULL, model TEXT NOT NULL,
        embedding {bytes} NOT NULL, urgency {float} NOT NULL, reason TEXT NOT NULL, why TEXT NOT NULL,
        alike INTEGER NOT NULL REFERENCES items (id), opinions INTEGER NOT NULL)""",
    "CREATE INDEX vehicles_alike ON vehicles (alike)",
    "CREATE INDEX items_of_picture ON items (picture)",
    """CREATE VIEW plate_items AS SELECT i.*, p.corners, p.around, p.reading, p.layout, p.length
        FROM items i JOIN plates p ON p.item = i.id""",
    """CREATE VIEW vehicle_items AS SELECT i.*, v.type, v.make, v.model, v.embedding, v.urgency, v.reason, v.why,
        v.alike, v.opinions FROM items i JOIN vehicles v ON v.item = i.id""",
)
# What each person says of a vehicle now; and the vehicles of which two people say what cannot both be so. Who says
# nothing of a part, or is unsure, contradicts nobody.
_OPINIONS = """CREATE VIEW opinions AS SELECT * FROM (SELECT e.*, {type} AS said_type, {make} AS said_make,
    {model} AS said_model, row_number() OVER (PARTITION BY e.item, e.person ORDER BY e.id DESC) AS place
    FROM live e WHERE e.field = 'vehicle') AS said WHERE place = 1"""
_CONFLICTS = """CREATE VIEW conflicts AS SELECT item FROM opinions WHERE kind <> 'unsure' GROUP BY item
    HAVING count(DISTINCT kind) > 1 OR count(DISTINCT said_type) > 1 OR count(DISTINCT said_make) > 1
    OR count(DISTINCT said_model) > 1"""
_PARTS = ("type", "make", "model")
_KINDS_SQLITE = (*_KINDS, _OPINIONS.format(**{p: f"json_extract(e.value, '$.{p}')" for p in _PARTS}), _CONFLICTS)
_KINDS_POSTGRESQL = (*_KINDS, _OPINIONS.format(**{p: f"CAST(e.value AS json) ->> '{p}'" for p in _PARTS}), _CONFLICTS)

# Pictures that were looked through for vehicles to ask about and had none, and how that was looked at.
_LOOKED_THROUGH = (
    "CREATE TABLE looked_through (picture TEXT NOT NULL, how TEXT NOT NULL, PRIMARY KEY (picture, how))",
)

# Each step leads from the version that is its place in the list to the next; a step that was released never changes.
STEPS: tuple[dict[str, tuple[str, ...]], ...] = (
    {"sqlite": _FIRST + _FIRST_SQLITE, "postgresql": _FIRST},
    {"sqlite": _LEASES, "postgresql": _LEASES},
    {"sqlite": (), "postgresql": _GUARD},
    {"sqlite": _KINDS_SQLITE, "postgresql": _KINDS_POSTGRESQL},
    {"sqlite": _LOOKED_THROUGH, "postgresql": _LOOKED_THROUGH},
)
_TYPES = {
    "sqlite": {"id": "INTEGER PRIMARY KEY AUTOINCREMENT", "float": "REAL", "bytes": "BLOB"},
    "postgresql": {
        "id": "INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "float": "DOUBLE PRECISION",
        "bytes": "BYTEA",
    },
}
DIALECTS = tuple(_TYPES)


def version_of(connection: Connection) -> int:
    """The version of the tables that are there; 0 when there are none."""
    if not inspect(connection).has_table("schema_version"):
        return 0
    return int(connection.execute(text("SELECT version FROM schema_version")).scalar_one())


def upgrade(connection: Connection, to: int = len(STEPS)) -> None:
    """Take the steps that are missing up to version `to`, in the transaction of the connection."""
    have = version_of(connection)
    if have == 0:
        connection.execute(text("CREATE TABLE schema_version (version INTEGER NOT NULL)"))
        connection.execute(text("INSERT INTO schema_version VALUES (0)"))
    types = _TYPES[connection.dialect.name]
    for step in STEPS[have:to]:
        for statement in step[connection.dialect.name]:
            connection.execute(text(statement.format(**types)))
    connection.execute(text("UPDATE schema_version SET version = :to"), {"to": max(have, to)})
