"""A POST with an Idempotency-Key is done once, however often a client sends it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from api.bodies import Body
from api.call import Answer, Call
from waiter_service.errors import DatabaseError, ValidationError
from waiter_service.store.idempotency import IdempotencyStore

log = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"

# A UUID has 36 characters. Anything longer than this is a mistake, not a key.
MAX_KEY_CHARS = 200
KEY_PATTERN = rf"^[!-~]{{1,{MAX_KEY_CHARS}}}$"
_KEY = re.compile(KEY_PATTERN.strip("^$"))


def checked_key(key: str | None) -> str | None:
    """Return the header's value if it can be a key; ``None`` if there is no header.

    Raises:
        ValidationError: empty, too long, or not visible ASCII.
    """
    if key is not None and _KEY.fullmatch(key) is None:
        raise ValidationError(
            HEADER, f"must be 1 to {MAX_KEY_CHARS} visible ASCII characters without spaces"
        )
    return key


class Retries:
    """Answers a repeated call with the answer that its key got the first time.

    Only successes are stored. A refused call has changed nothing, and may succeed when it
    is repeated. If a success could not be stored, a retry finds what was made by its id,
    see ``Call.chosen_id``.
    """

    def __init__(self, store: IdempotencyStore) -> None:
        self._store = store

    def once(
        self, call: Call[Body | None], do: Callable[[], Answer], require_allowed: Callable[[], None]
    ) -> Answer:
        """Return the answer of ``do()``, or the stored one if ``require_allowed()`` agrees.

        Raises:
            IdempotencyKeyReused, IdempotencyKeyBusy: see ``IdempotencyStore.begin``.
        """
        if call.key is None:
            return do()
        kept = self._store.begin(call.key, call.actor, call.name, call.body_hash)
        if kept is not None:
            require_allowed()
            return Answer(kept.status, kept.body, {REPLAYED_HEADER: "true"})
        try:
            answer = do()
        except Exception:
            self._quietly(lambda: self._store.abandon(call.key or "", call.actor))
            raise
        self._quietly(
            lambda: self._store.finish(call.key or "", call.actor, answer.status, answer.body)
        )
        return answer

    def _quietly(self, write: Callable[[], None]) -> None:
        """Call ``write``; if it fails, log that. The client's answer stays the same."""
        try:
            write()
        except DatabaseError as error:
            log.warning(
                "an idempotency key could not be kept up to date",
                extra={"fields": {"error": str(error)}},
            )
