"""What waits for an answer under a prediction of other heads than those that answer now, to be predicted again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, text

from vehicle_demo.annotation.items import (
    PARTS,
    Item,
    PlateItem,
    VehicleItem,
    lowest,
    plate_of,
    reading_values,
    vehicle_of,
)
from vehicle_demo.annotation.layouts import layout_of
from vehicle_demo.annotation.review import DECIDED, PEOPLE
from vehicle_demo.annotation.store import Store


def count_outdated(store: Store, checkpoint: str, heads_version: str) -> int:
    """How many vehicles `outdated` would give in all. Raises StoreError."""
    with store.reading() as connection:
        asked = {"checkpoint": checkpoint, "heads": heads_version, "after": 0}
        return int(connection.execute(text(_OUTDATED.format(what="count(*)")), asked).scalar_one())


def outdated(store: Store, checkpoint: str, heads_version: str, after: int, count: int) -> list[VehicleItem]:
    """Vehicles that wait for an answer, and were predicted by this checkpoint (name and version) with other heads.

    Up to `count` of them in the order of their numbers, which are above `after`. Raises StoreError.
    """
    query = text(f"{_OUTDATED.format(what='i.*')} ORDER BY i.id LIMIT :count")
    with store.reading() as connection:
        asked = {"checkpoint": checkpoint, "heads": heads_version, "after": after, "count": count}
        return [vehicle_of(row) for row in connection.execute(query, asked)]


def predict_again(store: Store, items: Sequence[VehicleItem]) -> None:
    """Put these in place of what was predicted before, unless they were answered meanwhile: what was asked then stays.

    Raises:
        StoreError: nothing was written.
    """
    with store.writing() as connection:
        for item in items:
            if connection.execute(_SET_ITEM, _common(item, item.prediction(), item.confidence)).rowcount:
                urgency = {"urgency": item.urgency.score, "reason": item.urgency.reason, "why": item.urgency.why}
                connection.execute(_SET_VEHICLE, {"id": item.id, **item.best(), **urgency})


def plates_waiting(store: Store, checkpoint: str) -> dict[str, int]:
    """How many plates wait for an answer that this checkpoint (name and version) read, by its heads' version.

    Raises:
        StoreError: the labels cannot be read.
    """
    with store.reading() as connection:
        return {row[0]: int(row[1]) for row in connection.execute(_PLATES_WAITING, {"checkpoint": checkpoint})}


def plates_read_by(
    store: Store, checkpoint: str, heads_versions: Sequence[str], after: int, count: int
) -> list[PlateItem]:
    """Plates that wait for an answer and were read by one of these versions of a checkpoint's heads.

    Up to `count` of them in the order of their numbers, which are above `after`. Raises StoreError.
    """
    asked = {"checkpoint": checkpoint, "heads": list(heads_versions), "after": after, "count": count}
    with store.reading() as connection:
        return [plate_of(row) for row in connection.execute(_PLATES_READ_BY, asked)]


def read_again(store: Store, items: Sequence[PlateItem]) -> None:
    """Put these readings in place of those before, unless the plates were answered meanwhile.

    Raises:
        StoreError: nothing was written.
    """
    with store.writing() as connection:
        for item in items:
            common = _common(item, reading_values(item.reading), lowest(item.reading))
            if connection.execute(_SET_READ_ITEM, common).rowcount:
                read = item.reading.text if item.reading else ""
                told = {"id": item.id, "reading": read, "layout": layout_of(read), "length": len(read)}
                connection.execute(_SET_PLATE, told)


def _common(item: Item, prediction: dict[str, Any] | None, confidence: float) -> dict[str, Any]:
    """What changes in the table `items`, of either kind."""
    return {
        "id": item.id,
        "prediction": json.dumps(prediction),
        "confidence": confidence,
        "heads": item.heads_version,
    }


_WAITS = f"coalesce(o.people, 0) < i.opinions AND i.id NOT IN {DECIDED}"
_FROM = f"FROM vehicle_items i LEFT JOIN {PEOPLE} o ON o.item = i.id WHERE {_WAITS}"
_OUTDATED = f"SELECT {{what}} {_FROM} AND i.checkpoint = :checkpoint AND i.heads_version <> :heads AND i.id > :after"
_SET_ITEM = text(
    "UPDATE items SET prediction = :prediction, confidence = :confidence, heads_version = :heads "
    f"WHERE id = :id AND id IN (SELECT i.id {_FROM} AND i.id = :id)"
)
_SET_VEHICLE = text(
    f"UPDATE vehicles SET {', '.join(f'{name} = :{name}' for name in (*PARTS, 'urgency', 'reason', 'why'))} "
    "WHERE item = :id"
)
_UNREAD = "i.id NOT IN (SELECT item FROM labels WHERE field = 'text')"
_PLATES_WAITING = text(
    "SELECT i.heads_version, count(*) FROM plate_items i "
    f"WHERE i.checkpoint = :checkpoint AND {_UNREAD} GROUP BY i.heads_version"
)
_PLATES_READ_BY = text(
    "SELECT i.* FROM plate_items i WHERE i.checkpoint = :checkpoint AND i.heads_version IN :heads "
    f"AND i.id > :after AND {_UNREAD} ORDER BY i.id LIMIT :count"
).bindparams(bindparam("heads", expanding=True))
_SET_READ_ITEM = text(
    "UPDATE items SET prediction = :prediction, confidence = :confidence, heads_version = :heads "
    f"WHERE id = :id AND id IN (SELECT i.id FROM items i WHERE i.id = :id AND {_UNREAD})"
)
_SET_PLATE = text("UPDATE plates SET reading = :reading, layout = :layout, length = :length WHERE item = :id")
