"""The store's rows as plain values that mean the same in every database: names in place of numbers.

Which tables and columns there are is asked of the database, so that this holds for every version of the schema.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, LargeBinary, MetaData, Table, UniqueConstraint, text

# Who looks at what just now is nobody else's business, nor which pictures an import need not look through again.
_LOCAL = {"leases", "looked_through", "schema_version"}
_NUMBER = "id"


@dataclass(frozen=True)
class Row:
    """A row of `table`: its columns without its number, other rows by their names. `name` tells it from all others."""

    table: str
    name: str
    values: dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Shape:
    """A table: the column that names a row, and which columns hold numbers of rows of which table."""

    table: Table
    named_by: str
    refers: dict[str, str]

    @property
    def numbered(self) -> bool:
        return _NUMBER in self.table.c

    def names(self, connection: Connection) -> dict[int, str]:
        """The names of all rows by their numbers."""
        query = f"SELECT {_NUMBER}, {self.named_by} FROM {self.table.name}"
        return {number: name for number, name in connection.execute(text(query))}


def read_rows(connection: Connection) -> Iterator[Row]:
    """Every row; those that others refer to come before them, of one table the oldest first."""
    names: dict[str, dict[int, str]] = {}
    for shape in _shapes(connection):
        if shape.numbered:
            names[shape.table.name] = shape.names(connection)
        order = _NUMBER if shape.numbered else shape.named_by
        for row in connection.execute(text(f"SELECT * FROM {shape.table.name} ORDER BY {order}")).mappings():
            values = {column: _plain(value) for column, value in row.items() if column != _NUMBER}
            for column, table in shape.refers.items():
                if values[column] is not None:
                    values[column] = names[table][values[column]]
            yield Row(shape.table.name, values[shape.named_by], values)


def count_rows(connection: Connection) -> int:
    """How many rows `read_rows` would give."""
    tables = [shape.table.name for shape in _shapes(connection)]
    counts = (connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables)
    return sum(int(count) for count in counts)


def write_rows(connection: Connection, rows: Iterable[Row]) -> list[Row]:
    """Add the rows that are not there yet, older ones first; what is there stays as it is.

    Returns:
        Those that could not be added: they refer to rows that are neither there nor among these.
    """
    by_table: dict[str, list[Row]] = {}
    for row in rows:
        by_table.setdefault(row.table, []).append(row)
    left: list[Row] = []
    numbers: dict[str, dict[str, int]] = {}
    for shape in _shapes(connection):
        own = numbers[shape.table.name] = {}
        if shape.numbered:
            own |= {name: number for number, name in shape.names(connection).items()}
        waiting = sorted(by_table.pop(shape.table.name, []), key=_when)
        while waiting:
            later = [row for row in waiting if not _written(connection, shape, row, numbers)]
            # What a row refers to in its own table may come after it; what is nowhere never comes.
            if len(later) == len(waiting):
                left += later
                break
            waiting = later
    return left + [row for rows in by_table.values() for row in rows]


def _written(connection: Connection, shape: _Shape, row: Row, numbers: dict[str, dict[str, int]]) -> bool:
    own = numbers[shape.table.name]
    if row.name in own:
        return True
    values = {name: value for name, value in row.values.items() if name in shape.table.c}
    for column, table in shape.refers.items():
        if values.get(column) is not None:
            if values[column] not in numbers[table]:
                return False
            values[column] = numbers[table][values[column]]
    for name, value in values.items():
        if value is not None and isinstance(shape.table.c[name].type, LargeBinary):
            values[name] = base64.b64decode(value)
    places = ", ".join(f":{name}" for name in values)
    query = f"INSERT INTO {shape.table.name} ({', '.join(values)}) VALUES ({places}) ON CONFLICT DO NOTHING"
    connection.execute(text(query), values)
    if shape.numbered:
        number = f"SELECT {_NUMBER} FROM {shape.table.name} WHERE {shape.named_by} = :name"
        own[row.name] = int(connection.execute(text(number), {"name": row.name}).scalar_one())
    return True


def _shapes(connection: Connection) -> list[_Shape]:
    """The tables, those that others refer to first."""
    known = MetaData()
    known.reflect(connection)
    return [_shape(table) for table in known.sorted_tables if table.name not in _LOCAL]


def _shape(table: Table) -> _Shape:
    refers = {key.parent.name: key.column.table.name for key in table.foreign_keys if key.column.name == _NUMBER}
    if _NUMBER not in table.c:
        return _Shape(table, table.primary_key.columns[0].name, refers)
    (unique,) = (rule for rule in table.constraints if isinstance(rule, UniqueConstraint))
    return _Shape(table, unique.columns[0].name, refers)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return value


def _when(row: Row) -> str:
    return str(row.values.get("at") or row.values.get("added") or "")
