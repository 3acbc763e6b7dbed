from datetime import timedelta

import pytest

from waiter_service import SYSTEM, Actor, HandoverOffered, HandoverSettled, HouseRules, OfferOutcome
from waiter_service.errors import (
    NothingToOffer,
    NotPermitted,
    OfferSettled,
    SessionsOffered,
    TransferRefused,
    UnknownOffer,
    UnknownWaiter,
    ValidationError,
    WaiterOffShift,
)

ANNA, BEN, CARL = Actor.waiter("anna"), Actor.waiter("ben"), Actor.waiter("carl")
MANAGER = Actor.manager("mia")


@pytest.fixture
def carl(service):
    service.add_waiter("carl", "Carl")


def holders(queries):
    ids = ("table-5", "table-7", "table-9")
    return [queries.session_snapshot(each).session.waiter_id for each in ids]


def test_nothing_moves_before_the_offer_is_accepted_and_then_everything(service, listener, queries):
    made = service.offer_sessions(to_waiter_id="ben", actor=ANNA)
    assert made.changed
    assert holders(queries) == ["anna", "anna", "ben"]
    (offered,) = listener.heard
    assert isinstance(offered, HandoverOffered)
    assert (offered.from_waiter_id, offered.to_waiter_id, offered.version) == ("anna", "ben", 1)
    assert offered.session_ids == ("table-5", "table-7")

    accepted = service.accept_offer(made.id, actor=BEN)

    assert accepted.changed
    assert (accepted.offer.outcome, accepted.offer.version) == (OfferOutcome.ACCEPTED, 2)
    assert [session.id for session in accepted.moved] == ["table-5", "table-7"]
    assert holders(queries) == ["ben", "ben", "ben"]
    first, second, settled = listener.heard[1:]
    assert (first.session_id, second.session_id) == ("table-5", "table-7")
    assert first.transfer_id == second.transfer_id != ""
    assert isinstance(settled, HandoverSettled)
    assert settled.outcome is OfferOutcome.ACCEPTED


@pytest.mark.parametrize(
    ("settle", "actor"), [("accept_offer", BEN), ("decline_offer", BEN), ("withdraw_offer", ANNA)]
)
def test_settling_an_offer_again_changes_nothing_and_otherwise_is_refused(
    service, listener, settle, actor
):
    offer_id = service.offer_sessions(to_waiter_id="ben", actor=ANNA).id
    settled = getattr(service, settle)(offer_id, actor=actor)
    heard = len(listener.heard)

    assert getattr(service, settle)(offer_id, actor=actor).changed is False
    for other in {"accept_offer", "decline_offer", "withdraw_offer"} - {settle}:
        with pytest.raises(OfferSettled) as caught:
            getattr(service, other)(offer_id)
        assert caught.value.outcome == settled.offer.outcome
    assert len(listener.heard) == heard


def test_an_equal_open_offer_is_returned(service, listener):
    made = service.offer_sessions(to_waiter_id="ben", actor=ANNA)
    again = service.offer_sessions(
        from_waiter_id="anna", session_ids=["table-7", "table-5"], to_waiter_id="ben"
    )
    assert (again.changed, again.offer) == (False, made.offer)
    assert len(listener.heard) == 1


def test_a_session_is_in_one_open_offer_at_most(service, carl):
    made = service.offer_sessions(session_ids=["table-5"], to_waiter_id="ben", actor=ANNA)
    for receiver, wanted in (("carl", ["table-5"]), ("ben", None)):
        with pytest.raises(SessionsOffered) as caught:
            service.offer_sessions(session_ids=wanted, to_waiter_id=receiver, actor=ANNA)
        assert (caught.value.offer_id, caught.value.session_ids) == (made.id, ("table-5",))
    service.offer_sessions(session_ids=["table-7"], to_waiter_id="carl", actor=ANNA)
    service.withdraw_offer(made.id, actor=ANNA)
    service.offer_sessions(session_ids=["table-5"], to_waiter_id="carl", actor=ANNA)


def test_an_offer_that_a_transfer_overtook_does_not_bind_the_new_waiter(service, carl, listener):
    stale = service.offer_sessions(session_ids=["table-5"], to_waiter_id="ben", actor=ANNA)
    service.transfer_sessions(session_ids=["table-5"], to_waiter_id="carl", actor=ANNA)
    service.offer_sessions(session_ids=["table-5"], to_waiter_id="ben", actor=CARL)
    settled = [change for change in listener.heard if change.KIND == "handover_settled"]
    assert [(change.offer_id, change.outcome) for change in settled] == [(stale.id, "withdrawn")]


@pytest.mark.parametrize("actor", [BEN, MANAGER])
def test_an_offer_of_a_session_that_was_closed_or_transferred_moves_nothing(
    service, carl, queries, listener, actor
):
    offer_id = service.offer_sessions(to_waiter_id="ben", actor=ANNA).id
    service.close_session("table-5")
    service.transfer_sessions(session_ids=["table-7"], to_waiter_id="carl")
    heard = len(listener.heard)

    with pytest.raises(TransferRefused) as caught:
        service.accept_offer(offer_id, actor=actor)

    assert caught.value.reasons == {"table-5": "closed", "table-7": "not held by anna"}
    assert holders(queries) == ["anna", "carl", "ben"]
    assert len(listener.heard) == heard
    assert service.withdraw_offer(offer_id, actor=ANNA).changed, "it has stayed open"


def test_an_offer_expires_once_at_its_time(service, make_service, clock, listener):
    made = service.offer_sessions(to_waiter_id="ben", actor=ANNA)
    assert made.offer.expires_at - made.offer.created_at == timedelta(seconds=300)
    clock.advance(299)
    assert service.expire_offers() == 0
    clock.advance(1)
    with pytest.raises(OfferSettled) as caught:
        service.accept_offer(made.id, actor=BEN)
    assert caught.value.outcome == "expired"

    assert make_service().expire_offers() + service.expire_offers() == 1
    assert make_service().expire_offers() == 0

    with pytest.raises(OfferSettled):
        service.accept_offer(made.id, actor=BEN)


def test_sessions_of_an_expired_offer_may_be_offered_before_anyone_noted_that(
    service, carl, clock, listener
):
    old = service.offer_sessions(to_waiter_id="ben", actor=ANNA)
    clock.advance(300)
    new = service.offer_sessions(to_waiter_id="carl", actor=ANNA)
    assert new.changed
    settled = listener.heard[1]
    assert (settled.offer_id, settled.outcome) == (old.id, "expired")
    assert service.expire_offers() == 0


def test_the_house_sets_how_long_an_offer_is_open(service, make_service):
    rules = HouseRules.from_env({"HANDOVER_OFFER_SECONDS": "20"})
    made = make_service(rules=rules).offer_sessions(to_waiter_id="ben", actor=ANNA)
    assert made.offer.expires_at - made.offer.created_at == timedelta(seconds=20)


def test_the_receiver_must_be_on_shift_when_they_accept(service, queries):
    offer_id = service.offer_sessions(to_waiter_id="ben", actor=ANNA).id
    service.start_shift("anna")
    with pytest.raises(WaiterOffShift):
        service.accept_offer(offer_id, actor=BEN)
    service.start_shift("ben")
    service.accept_offer(offer_id, actor=BEN)
    assert holders(queries) == ["ben", "ben", "ben"]


def test_each_party_settles_what_is_theirs(service, carl):
    offer_id = service.offer_sessions(to_waiter_id="ben", actor=ANNA).id
    service.add_venue("east")
    strangers = [CARL, Actor.guest("table-5"), Actor.kitchen("main"), Actor.manager("m", "east")]
    for settle, other_party in (
        (service.accept_offer, ANNA),
        (service.decline_offer, ANNA),
        (service.withdraw_offer, BEN),
    ):
        for actor in (*strangers, other_party):
            with pytest.raises(NotPermitted):
                settle(offer_id, actor=actor)
        for unknown in ("nothing", "not an id"):
            with pytest.raises(UnknownOffer):
                settle(unknown)
    assert service.withdraw_offer(offer_id, actor=MANAGER).changed


def test_waiters_offer_their_own_and_others_say_whose(service, carl):
    for actor in (BEN, Actor.guest("table-5"), Actor.display("main")):
        with pytest.raises(NotPermitted):
            service.offer_sessions(from_waiter_id="anna", to_waiter_id="carl", actor=actor)
    for session_id in ("table-5", "nowhere"):
        with pytest.raises(TransferRefused) as caught:
            service.offer_sessions(session_ids=[session_id], to_waiter_id="carl", actor=BEN)
        assert caught.value.reasons == {session_id: "unknown, or not yours"}
    for wanted in (None, ["table-5", "table-9"]):
        with pytest.raises(ValidationError) as wrong:
            service.offer_sessions(session_ids=wanted, to_waiter_id="carl", actor=MANAGER)
        assert wrong.value.field == "from_waiter_id"
    with pytest.raises(TransferRefused):
        service.offer_sessions(session_ids=["nowhere"], to_waiter_id="carl", actor=SYSTEM)
    made = service.offer_sessions(session_ids=["table-9"], to_waiter_id="carl", actor=MANAGER)
    assert made.offer.from_waiter_id == "ben"


def test_an_invalid_offer_is_refused(service, carl):
    with pytest.raises(ValidationError):
        service.offer_sessions(to_waiter_id="anna", actor=ANNA)
    with pytest.raises(NothingToOffer):
        service.offer_sessions(to_waiter_id="ben", actor=CARL)
    with pytest.raises(UnknownWaiter):
        service.offer_sessions(to_waiter_id="nobody", actor=ANNA)
    service.add_venue("east")
    service.add_waiter("eva", "Eva", venue_id="east")
    with pytest.raises(UnknownWaiter):
        service.offer_sessions(to_waiter_id="eva", actor=ANNA)
    service.close_session("table-5")
    with pytest.raises(TransferRefused) as caught:
        service.offer_sessions(session_ids=["table-5"], to_waiter_id="ben", actor=ANNA)
    assert caught.value.reasons == {"table-5": "closed"}
