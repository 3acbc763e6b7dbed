"""An offer that nobody accepts expires in a process that serves."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select

from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer
from tests.support.waiting import stays_true, wait_until
from waiter_service import FloorQueries, HouseRules, OfferOutcome, WaiterService
from waiter_service.store.models import AuditRow


def test_an_offer_expires_once_however_many_workers_serve(
    start_server: Callable[..., ServiceServer], redis_server: RedisServer
) -> None:
    server = start_server(WEB_CONCURRENCY=2, REDIS_URL=redis_server.url)
    database = server.service.database
    offered = WaiterService(database, rules=HouseRules(handover_offer_seconds=1)).offer_sessions(
        from_waiter_id="anna", to_waiter_id="ben"
    )
    waiters = [server.listen_waiter("anna"), server.listen_waiter("ben")]

    wait_until(lambda: FloorQueries(database).offer(offered.id).outcome is OfferOutcome.EXPIRED, 10)

    for waiter in waiters:
        told = waiter.next("handover_settled").data
        assert (told["offerId"], told["outcome"]) == (offered.id, "expired")

    def times_settled() -> int:
        settled = select(AuditRow.id).where(AuditRow.action == "handover_settled")
        with database.reading() as orm:
            return len(orm.scalars(settled).all())

    stays_true(lambda: times_settled() == 1, 2)
    for waiter in waiters:
        assert len(waiter.of_type("handover_settled")) == 1
