"""What the environment may set, read once and checked at the start.

``Settings.load()`` reads all variables below, and the rest of the application gets their
values. (``WaiterService.from_env`` reads the database's variables itself, for scripts.)
Each field has its variable, its default and, if there is one, its off switch; its name has
the unit. A variable that is set but empty counts as not set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from runtime.settings import secret as instance_secret
from runtime.settings import values
from runtime.settings.misspellings import intended_setting
from runtime.settings.secret_strength import weakness_of
from runtime.settings.values import BadValue

_ROOT = Path(__file__).resolve().parents[2]


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it, the rule and the remedy."""


def _setting(
    variable: str,
    parse: Callable[[object], Any],
    default: Any = None,
    *,
    show: Callable[[Any], object] | None = None,
) -> Any:
    """Declare a field read from ``variable``; ``show`` makes its value fit to print."""
    metadata = {"variable": variable, "parse": parse, "show": show}
    return field(default=default, repr=False, metadata=metadata)


def _secret(_value: object) -> str:
    return "***"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a deployment may choose. Secrets are masked in ``repr``."""

    # Where this installation keeps what must survive a restart: the database
    # and the secret, as long as neither is configured.
    instance_dir: Path = _setting("INSTANCE_DIR", values.path, _ROOT / "instance")

    # SQLite or PostgreSQL. Default: restaurant.db in the instance directory. Whether it
    # can be used is for the application to check: the master must not load a driver.
    database_url: str = _setting("DATABASE_URL", values.text, show=values.without_password)
    # The schema that the tables are in, on PostgreSQL. Not set: the connection's own choice.
    database_schema: str | None = _setting("DATABASE_SCHEMA", values.text)
    # Not set: history and fan-out stay in this one process's memory.
    redis_url: str | None = _setting(
        "REDIS_URL",
        values.url("redis:", "rediss:", "unix:"),
        show=values.without_password,
    )

    # Begins the name of every key and pub/sub channel in Redis. Deployments that
    # share a Redis need one each, whatever database number their URLs end in.
    redis_prefix: str = _setting("REDIS_PREFIX", values.redis_prefix, "restaurant:")

    # Signs and verifies tokens. Default: made once, in the instance directory.
    jwt_secret_key: str = _setting("JWT_SECRET_KEY", str, show=_secret)
    # The secret before a rotation: it still verifies, and signs nothing.
    jwt_secret_key_previous: str | None = _setting("JWT_SECRET_KEY_PREVIOUS", str, show=_secret)
    # PEM text, or the path of a file that holds it or a JWKS: the keys of a platform
    # that signs tokens itself. Short-lived stream tokens stay with the secret key.
    jwt_public_key: str | None = _setting("JWT_PUBLIC_KEY", values.public_key, show=_secret)
    # Default: what the public key is made for; HS256 without one.
    jwt_algorithm: str = _setting(
        "JWT_ALGORITHM", values.choice("HS256", "RS256", "ES256"), "HS256"
    )

    # Whom tokens are for, and from. Once set, every token must say so; ours do.
    jwt_audience: str | None = _setting("JWT_AUDIENCE", str)
    jwt_issuer: str | None = _setting("JWT_ISSUER", str)

    # Guests who may join a table by one code.
    max_guests: int = _setting("MAX_GUESTS", values.integer(1, 10_000), 20)
    # The page that guests join by, such as https://app.example.com/join#{code}. Default:
    # none; they type the code.
    join_url: str | None = _setting("JOIN_URL", values.join_url)

    # Whose X-Forwarded-* headers are believed: the nginx on this machine.
    forwarded_allow_ips: str = _setting("FORWARDED_ALLOW_IPS", values.addresses, "127.0.0.1,::1")
    # Where gunicorn listens. Only this machine's nginx needs to reach it.
    # An address of either family, or a name.
    host: str = _setting("HOST", values.host, "127.0.0.1")
    port: int = _setting("PORT", values.integer(0, 65_535), 8000)
    # Worker processes; one core each. More than one needs REDIS_URL.
    web_concurrency: int = _setting("WEB_CONCURRENCY", values.integer(1, 1024), 1)

    # nginx cuts an upstream silent for 60 s (proxy_read_timeout's default);
    # half of it survives one lost beat.
    heartbeat_seconds: float = _setting("SSE_HEARTBEAT_SECONDS", values.seconds(0.05, 3600), 30.0)
    # 1.8 KB each: 10,000 idle streams hold about 18 MB.
    max_streams_per_worker: int = _setting(
        "SSE_MAX_STREAMS_PER_WORKER", values.integer(1, 1_000_000), 10_000
    )
    # All guests of a table share one principal, each with phone and tabs. Not a
    # quota: it keeps one page gone wild to a tenth of a worker. A guess.
    max_streams_per_principal: int = _setting(
        "SSE_MAX_STREAMS_PER_PRINCIPAL", values.integer(1, 1_000_000), 1000
    )
    # Once there are several venues: half of a worker, so that one venue's crowd leaves room for
    # the others'. 0: no limit.
    max_streams_per_venue: int = _setting(
        "SSE_MAX_STREAMS_PER_VENUE", values.integer(0, 1_000_000), 5000
    )
    # A stream this far behind is closed and resumes from the history.
    max_pending_events: int = _setting("SSE_MAX_PENDING_EVENTS", values.integer(1, 1_000_000), 256)
    # Per channel (a session's or a waiter's), whichever limit is met first;
    # 0 events keep no history, and every reconnect loads everything again.
    history_events: int = _setting("SSE_HISTORY_EVENTS", values.integer(0, 1_000_000), 1000)
    history_seconds: float = _setting("SSE_HISTORY_SECONDS", values.seconds(0, 604_800), 3600.0)
    # Plain requests for streams are answered beneath gunicorn, at half the CPU. Off: all of
    # them come through Flask.
    fast_connect: bool = _setting("SSE_FAST_CONNECT", values.boolean, True)
    # How long a stopping worker takes to send its streams away, a few at a time.
    drain_seconds: float = _setting("SSE_DRAIN_SECONDS", values.seconds(0, 300), 10.0)

    # Tables that a waiter may have on the floor before they open another. A guess: several
    # times what one waiter can serve.
    max_open_sessions: int = _setting("MAX_OPEN_SESSIONS", values.integer(1, 1_000_000), 100)
    # What guests of one session may have unfinished: what a large party does in one
    # evening, several times over. Guesses.
    max_open_requests: int = _setting("MAX_OPEN_REQUESTS", values.integer(1, 1_000_000), 20)
    max_orders: int = _setting("MAX_ORDERS", values.integer(1, 1_000_000), 100)
    max_order_lines: int = _setting("MAX_ORDER_LINES", values.integer(1, 1_000_000), 500)
    # An order is finished when it is paid, not already when it is delivered.
    require_paid: bool = _setting("REQUIRE_PAID", values.boolean, False)
    # How long a colleague may take to accept a handover. A guess: long enough to finish a
    # round, short enough that a forgotten offer does not keep the tables.
    handover_offer_seconds: int = _setting("HANDOVER_OFFER_SECONDS", values.integer(1, 86_400), 300)

    # What one worker lets through in a minute, 0 for everything: a screen reloads once
    # a second at most, all guests of a table count as one, and a program may be busy.
    # Guesses, above the most that was seen in use.
    rate_limits: bool = _setting("RATE_LIMITS", values.boolean, True)
    guest_calls_per_minute: int = _setting(
        "GUEST_CALLS_PER_MINUTE", values.integer(0, 1_000_000), 1200
    )
    # Of them, those that change something. Each adds two events to the waiter's history
    # at most, so it decides how soon one table can push out the rest of it.
    guest_changes_per_minute: int = _setting(
        "GUEST_CHANGES_PER_MINUTE", values.integer(0, 1_000_000), 60
    )
    staff_calls_per_minute: int = _setting(
        "STAFF_CALLS_PER_MINUTE", values.integer(0, 1_000_000), 12_000
    )
    failed_calls_per_minute: int = _setting(
        "FAILED_CALLS_PER_MINUTE", values.integer(0, 1_000_000), 1200
    )
    # Once there are several venues: what all bearers of one venue may do together.
    venue_calls_per_minute: int = _setting(
        "VENUE_CALLS_PER_MINUTE", values.integer(0, 10_000_000), 60_000
    )
    venue_changes_per_minute: int = _setting(
        "VENUE_CHANGES_PER_MINUTE", values.integer(0, 10_000_000), 12_000
    )
    opens_per_minute: int = _setting("SSE_OPENS_PER_MINUTE", values.integer(0, 1_000_000), 3000)

    # Origins of front ends served from elsewhere, separated by commas. Default: none.
    cors_origins: tuple[str, ...] = _setting("CORS_ORIGINS", values.origins, ())
    # The demo page, which hands out tokens, for this machine only; "public" serves all
    # clients that reach it, as behind a proxy. Never in production.
    demo: bool | str = _setting("DEMO", values.demo, False)
    log_format: str = _setting("LOG_FORMAT", values.choice("text", "json"), "text")
    log_level: str = _setting(
        "LOG_LEVEL", values.choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), "INFO"
    )

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str] = os.environ,
        overrides: Mapping[str, object] | None = None,
    ) -> Settings:
        """Return the checked settings; ``overrides`` (same names) win over ``environ``.

        Overrides may be text or already of the field's type; names that are not
        ours (Flask's own, say) are left alone. Makes the instance's secret
        where none is configured and none was made before.

        Raises:
            SettingsError: a value breaks its rule, or two do not go together.
        """
        given = {**environ, **(overrides or {})}
        _refuse_misspelt(given)
        chosen: dict[str, Any] = {}
        for each in fields(cls):
            if "variable" not in each.metadata:
                continue
            value = given.get(each.metadata["variable"])
            if value is None or value == "":
                continue
            chosen[each.name] = _parse(each.metadata, value)
        _complete(chosen)
        return cls(**chosen)

    @property
    def address(self) -> str:
        """Where to listen: ``host:port``, an IPv6 address in brackets."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def local_url(self) -> str:
        """Where programs on this machine reach the service."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
        return f"http://{_bracketed(everywhere.get(self.host, self.host))}:{self.port}"

    @property
    def instance(self) -> str:
        """What tells this server from all others in log lines: machine and port."""
        return f"{os.uname().nodename}:{self.port}"

    @classmethod
    def variables(cls) -> dict[str, object]:
        """Return each variable's name and default, for documents and tests."""
        return {
            each.metadata["variable"]: each.default
            for each in fields(cls)
            if "variable" in each.metadata
        }

    def __repr__(self) -> str:
        shown = []
        for each in fields(self):
            value = getattr(self, each.name)
            show = each.metadata.get("show")
            shown.append(f"{each.name}={show(value) if show and value else value!r}")
        return f"Settings({', '.join(shown)})"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def require_redis_for(workers: int, redis_url: str | None, *, asked_by: str) -> None:
    """Check that several workers can share their events; ``asked_by`` names who wants them.

    Raises:
        SettingsError: they cannot, because without Redis each would send only its own events.
    """
    if workers > 1 and not redis_url:
        raise SettingsError(
            f"{asked_by} is {workers}, but several workers hear of each other's events "
            f"only through Redis: set REDIS_URL, or {asked_by}=1"
        )


def _parse(metadata: Mapping[str, Any], value: object) -> object:
    variable, show = metadata["variable"], metadata["show"]
    try:
        return metadata["parse"](value)
    except BadValue as error:
        shown = "" if show is _secret else f" is {show(value) if show else value!r}, but"
        raise SettingsError(f"{variable}{shown} must be {error}") from None


def _refuse_misspelt(given: Mapping[str, object]) -> None:
    """Refuse a name that is almost a setting: it would silently do nothing."""
    known = Settings.variables()
    for name in given:
        meant = intended_setting(name, known)
        if meant is not None:
            hint = f"; did you mean {meant}?" if meant else ""
            raise SettingsError(f"{name} is not a setting{hint}")


def _complete(chosen: dict[str, Any]) -> None:
    """Check what belongs together and fill in the defaults that depend on others."""
    redis_url = chosen.get("redis_url")
    workers = chosen.get("web_concurrency", 1)
    require_redis_for(workers, redis_url, asked_by="WEB_CONCURRENCY")
    if redis_url and "jwt_secret_key" not in chosen:
        raise SettingsError(
            "REDIS_URL is set, but not JWT_SECRET_KEY: machines that share streams must share "
            "one secret, so set the same JWT_SECRET_KEY (32 random bytes or more) on each"
        )
    _settle_algorithm(chosen)

    instance_dir = chosen.get("instance_dir", _ROOT / "instance").resolve()
    chosen["instance_dir"] = instance_dir
    chosen.setdefault("database_url", values.sqlite_url(instance_dir / "restaurant.db"))
    if "jwt_secret_key" not in chosen:
        try:
            chosen["jwt_secret_key"] = instance_secret.read_or_create(instance_dir / "jwt-secret")
        except OSError as error:
            raise SettingsError(
                f"JWT_SECRET_KEY is not set, and none can be kept in {instance_dir} "
                f"({error.strerror}): set it, or INSTANCE_DIR to a directory we may write to"
            ) from None
    _refuse_weak_secrets(chosen)


def _refuse_weak_secrets(chosen: Mapping[str, Any]) -> None:
    """Refuse secrets that can be guessed: such a secret signs tokens for every role."""
    for name in ("jwt_secret_key", "jwt_secret_key_previous"):
        secret = chosen.get(name)
        weakness = secret and weakness_of(secret, public_key=chosen.get("jwt_public_key"))
        if weakness:
            raise SettingsError(
                f"{name.upper()} is {weakness}; make one with: openssl rand -base64 48"
            )


def _settle_algorithm(chosen: dict[str, Any]) -> None:
    """The public key decides on the algorithm; a setting may only agree with it."""
    asked = chosen.get("jwt_algorithm")
    if "jwt_public_key" not in chosen:
        if asked in ("RS256", "ES256"):
            raise SettingsError(
                f"JWT_ALGORITHM is {asked}, which is verified with a public key: set JWT_PUBLIC_KEY"
            )
        return
    fitting = values.algorithms_of(chosen["jwt_public_key"])
    if asked is not None and asked not in fitting:
        made_for = " and ".join(sorted(fitting))
        raise SettingsError(
            f"JWT_ALGORITHM is {asked}, but JWT_PUBLIC_KEY is made for {made_for}: "
            f"set JWT_ALGORITHM={min(fitting)}, or the other key"
        )
    if len(fitting) == 1:
        chosen["jwt_algorithm"] = min(fitting)
