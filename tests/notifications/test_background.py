"""Background work beside the requests."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event as Flag

from notifications.background import Background


@pytest.fixture
def rounds():
    return Rounds()


class Rounds:
    """Counts its rounds."""

    def __init__(self):
        self.count = 0
        self.hold = Flag()
        self.hold.set()
        self.background = Background(self.run, stop_seconds=0.05)

    def run(self):
        while self.background.wait(3600):
            self.count += 1
            self.hold.wait()


def let_run():
    gevent.sleep(0)
    gevent.sleep(0)


def test_wake_starts_a_round(rounds):
    rounds.background.start()
    let_run()
    rounds.background.wake()
    let_run()

    assert rounds.count == 1
    rounds.background.stop()


def test_wake_before_the_wait_is_not_lost(rounds):
    rounds.background.wake()
    rounds.background.start()
    let_run()

    assert rounds.count == 1
    rounds.background.stop()


def test_starting_twice_starts_one_greenlet(rounds):
    rounds.background.start()
    rounds.background.start()
    rounds.background.wake()
    let_run()

    assert rounds.count == 1
    rounds.background.stop()


def test_stopping_ends_the_wait_and_starts_no_round(rounds):
    rounds.background.start()
    let_run()
    rounds.background.stop()

    assert rounds.count == 0
    assert not rounds.background.is_running


def test_stop_lets_a_running_round_finish(rounds):
    rounds.hold.clear()
    rounds.background.start()
    rounds.background.wake()
    let_run()

    rounds.background.stop()
    assert rounds.count == 1

    rounds.hold.set()
    let_run()
    assert rounds.count == 1


def test_work_can_be_started_again_after_a_stop(rounds):
    rounds.background.start()
    rounds.background.stop()
    rounds.background.start()
    rounds.background.wake()
    let_run()

    assert rounds.count == 1
    rounds.background.stop()
