"""What waits for an answer under a prediction of other heads than those that answer now, to be predicted again."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import text

from vehicle_demo.annotation.items import PARTS, VehicleItem, vehicle_of
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
            common = {
                "id": item.id,
                "prediction": json.dumps(item.prediction()),
                "confidence": item.confidence,
                "heads": item.heads_version,
            }
            if connection.execute(_SET_ITEM, common).rowcount:
                urgency = {"urgency": item.urgency.score, "reason": item.urgency.reason, "why": item.urgency.why}
                connection.execute(_SET_VEHICLE, {"id": item.id, **item.best(), **urgency})


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
