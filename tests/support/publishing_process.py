"""A process that publishes through a Redis broker, as a worker would.

Arguments: the Redis's URL, the channel, how many events, and what their keys
begin with. It prints "ready", waits for a line, publishes from many greenlets
at once, prints "done", and reports a stream until it is killed.
"""

# As in wsgi.py: before any module can import a socket.
from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402
from datetime import UTC, datetime  # noqa: E402

import gevent.pool  # noqa: E402

from notifications.brokers.redis.broker import RedisBroker  # noqa: E402
from notifications.brokers.redis.presence import RedisPresence  # noqa: E402
from notifications.events.encoding import body  # noqa: E402
from notifications.events.heartbeat import Heartbeat  # noqa: E402
from tests.support.ear import Ear  # noqa: E402

GREENLETS = 50


def main(url: str, channel: str, count: str, key_prefix: str) -> None:
    """Run the process that the module describes."""
    broker = RedisBroker(url)
    broker.start(Ear())
    event_body = body(Heartbeat(timestamp=datetime(2024, 1, 15, tzinfo=UTC)))
    broker.tip(channel)
    print("ready", flush=True)  # noqa: T201 - to the test
    sys.stdin.readline()
    pool = gevent.pool.Pool(GREENLETS)
    for number in range(int(count)):
        pool.spawn(broker.publish, [channel], event_body, key=f"{key_prefix}{number}")
    pool.join(raise_error=True)
    print("done", flush=True)  # noqa: T201 - to the test
    RedisPresence(broker.link, broker.keys).start(lambda: {"session": 1})
    gevent.sleep(3600)


if __name__ == "__main__":
    main(*sys.argv[1:])
