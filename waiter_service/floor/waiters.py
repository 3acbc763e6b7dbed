"""Waiters, who can hold sessions."""

from __future__ import annotations

from sqlalchemy.dialects import postgresql, sqlite

from waiter_service import inputs
from waiter_service.actors import ActorKind
from waiter_service.errors import NotPermitted
from waiter_service.floor.unit_of_work import UnitOfWork
from waiter_service.store.models import WaiterRow
from waiter_service.views import WaiterAdded, WaiterView


def add(work: UnitOfWork, waiter_id: str, name: str) -> WaiterAdded:
    """Add a waiter, or change the name of an existing one."""
    waiter_id = inputs.identifier("waiter_id", waiter_id)
    name = inputs.text("name", name, max_chars=inputs.MAX_NAME_CHARS)
    if work.actor.kind not in (ActorKind.SYSTEM, ActorKind.MANAGER):
        raise NotPermitted("waiter", waiter_id, work.actor)
    created = work.orm.get(WaiterRow, waiter_id) is None
    is_sqlite = work.orm.get_bind().dialect.name == "sqlite"
    insert = sqlite.insert if is_sqlite else postgresql.insert
    work.orm.execute(
        insert(WaiterRow)
        .values(id=waiter_id, name=name, created_at=work.now)
        .on_conflict_do_update(index_elements=[WaiterRow.id], set_={"name": name})
    )
    return WaiterAdded(created, WaiterView(id=waiter_id, name=name))
