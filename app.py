"""The application, put together: the only place that knows everyone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Flask
from flask_cors import CORS

from api.blueprint import create_blueprint as create_api_blueprint
from api.cursors import Cursors
from api.join_desk import JoinDesk
from api.operation import Services
from notifications.access import auth
from notifications.access.auth import Authenticator
from notifications.access.revocation_list import RevocationList
from notifications.access.stream_venues import StreamVenues
from notifications.access.token_keys import TokenKeys
from notifications.brokers.backend import Backend, choose_backend
from notifications.brokers.base import Broker, HistoryLimits
from notifications.entrance import problems, request_id
from notifications.entrance.blueprint import create_blueprint
from notifications.entrance.door import StreamDoor
from notifications.entrance.entrance import StreamEntrance
from notifications.entrance.problem_types import ProblemCode
from notifications.entrance.rates import RateLimits, Rates
from notifications.publishing.listener import FloorListener
from notifications.publishing.notification_service import NotificationService
from notifications.publishing.relay import ExclusiveRelay, Relay, SharedRelay
from notifications.refresh.service import CacheRefreshService
from notifications.streams.admission import StreamLimits
from notifications.streams.service import SseService, StreamOptions
from runtime import logs
from runtime.cli import commands
from runtime.cli.start import as_command
from runtime.database_watch import DatabaseWatch
from runtime.health import Readiness
from runtime.health import create_blueprint as create_health_blueprint
from runtime.housekeeping import Housekeeping
from runtime.http import response_headers, sub_path
from runtime.metrics.api_calls import ApiCalls
from runtime.metrics.connection_stats import ConnectionStats
from runtime.metrics.metrics import Metrics
from runtime.metrics.process import ProcessFigures
from runtime.serving import Serving
from runtime.serving_lock import ServingLock, StandingBy
from runtime.settings import Settings, SettingsError
from runtime.settings.values import without_password
from runtime.write_probe import WriteProbe
from waiter_service import (
    Database,
    FloorQueries,
    HouseRules,
    IdempotencyStore,
    WaiterService,
)
from waiter_service.changes import Change
from waiter_service.errors import DatabaseSchemaInvalid, DatabaseUrlInvalid
from waiter_service.join_codes import JoinCodes
from waiter_service.reading.venue_directory import VenueDirectory
from waiter_service.revocations import Revocations
from waiter_service.store.marks import Marks

#: Bytes of a request body. A large order is a few kilobytes.
MAX_BODY_BYTES = 64 * 1024


@as_command
def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Return the application; ``config`` overrides the environment (runtime/settings).

    Nothing runs and no socket is opened until it serves: gunicorn's worker starts
    ``app.extensions["serving"]``, under any other server the first request to /sse or
    /api does.

    Raises:
        SettingsError: a setting is missing or wrong; says which and what to do.
    """
    settings = Settings.load(overrides=config)
    app = Flask(__name__, static_folder=None)
    api_calls = ApiCalls(app)  # first, so that it times everything a request passes
    _set_up_http(app, settings, config or {})

    # What happens on the floor
    database = _database(settings)
    rules = _house_rules(settings)
    service = WaiterService(database, rules=rules)
    queries = FloorQueries(database, rules=rules)
    idempotency = IdempotencyStore(database)
    revocations = Revocations(database)

    # How a change reaches a screen
    backend = _backend(settings, database)
    broker = backend.broker
    sse = SseService(broker, _stream_options(settings))
    notifications = NotificationService(broker)
    cache_refresh = CacheRefreshService(
        notifications.publish_refresh,
        batches=backend.batches,
        require_listeners=broker.require_listeners,
    )
    listener = FloorListener(notifications, cache_refresh)
    revoked = RevocationList(revocations, sse.streams)
    venues = StreamVenues(VenueDirectory(database), sse.streams)

    def look() -> None:
        revoked.refresh()
        venues.check()

    relay = _relay(service, broker, look=look)
    database_watch = DatabaseWatch(Marks(database), broker, on_gone_back=revoked.start_over)

    def on_commit(changes: Sequence[Change]) -> None:
        database_watch.wake()
        relay.committed(changes)

    service.on_commit = on_commit

    # Who is let in
    keys = _token_keys(settings)
    auth.init_app(app, keys)
    rates = Rates(_rate_limits(settings))
    authenticator = Authenticator(keys, revoked.is_revoked)
    entrance = StreamEntrance(
        sse, authenticator, is_over=revoked.is_over, venues=venues, rates=rates
    )
    desk = JoinDesk(_join_codes(settings, database), revocations, rates, settings.join_url)

    # One serving process
    writes = WriteProbe(database.write_probe)
    connections = ConnectionStats()
    metrics = Metrics(
        sse=sse,
        notifications=notifications,
        cache_refresh=cache_refresh,
        broker=broker,
        service=service,
        writes=writes,
        dropped_log_lines=logs.dropped_lines,
        connections=connections,
        groups=(api_calls, ProcessFigures(database)),
    )
    serving = Serving(
        database=database,
        broker=broker,
        presence=backend.presence,
        sse=sse,
        listener=listener,
        cache_refresh=cache_refresh,
        relay=relay,
        database_watch=database_watch,
        look=look,
        housekeeping=Housekeeping(
            hourly=[idempotency.prune, revocations.prune],
            every_second=[service.expire_offers],
        ),
        metrics=metrics,
        writes=writes,
        lock=None if broker.is_shared else _serving_lock(settings, database),
    )

    # What is served
    cursors = Cursors(broker, venues.venue_of)
    services = Services(service, queries, cursors, backend.presence, desk)
    _serve(app, serving, create_blueprint(entrance, serving.health))
    _serve(app, serving, create_api_blueprint(services, idempotency, entrance))
    app.register_blueprint(create_health_blueprint(Readiness(serving), metrics))
    if settings.demo:
        # Imported here: the demo is never part of a process that does not ask for it.
        from demo.blueprint import create_blueprint as create_demo_blueprint

        app.register_blueprint(
            create_demo_blueprint(desk.code_to_show, is_public=settings.demo == "public")
        )
    commands.init_app(app)

    app.extensions.update(
        settings=settings,
        waiter_service=service,
        notifications=notifications,
        cache_refresh=cache_refresh,
        sse=sse,
        serving=serving,
        join_desk=desk,
        stream_door=StreamDoor(entrance) if settings.fast_connect else None,
        connections=connections,
        stream_entrance=entrance,
        revocations=revocations,
    )
    return app


def _set_up_http(app: Flask, settings: Settings, config: Mapping[str, Any]) -> None:
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config.update(config)
    # Answers keep the order they are written in, as the documents show them.
    app.json.sort_keys = False  # type: ignore[attr-defined]  # DefaultJSONProvider's
    problems.init_app(app)
    response_headers.init_app(app)
    sub_path.init_app(app)
    if settings.cors_origins:
        CORS(
            app,
            origins=list(settings.cors_origins),
            supports_credentials=True,
            # The headers that a front end on another origin needs to read.
            expose_headers=["Retry-After", "Location", "Idempotent-Replayed", request_id.HEADER],
        )


def _serve(app: Flask, serving: Serving, blueprint: Blueprint) -> None:
    """Serve ``blueprint``, and start ``serving`` with its first request.

    Other requests do not start it: a process that cannot start must still report its health.
    """
    blueprint.before_request(serving.start)
    blueprint.register_error_handler(
        StandingBy, lambda error: problems.problem(ProblemCode.STANDING_BY, str(error))
    )
    app.register_blueprint(blueprint)


def _database(settings: Settings) -> Database:
    try:
        return Database(settings.database_url, schema=settings.database_schema)
    except DatabaseSchemaInvalid as error:
        raise SettingsError(str(error)) from None
    except DatabaseUrlInvalid as error:
        raise SettingsError(
            f"DATABASE_URL is {without_password(settings.database_url)!r}, but must be "
            f"a database's URL that can be used: {error}"
        ) from None


def _house_rules(settings: Settings) -> HouseRules:
    return HouseRules(
        max_open_sessions=settings.max_open_sessions,
        max_open_requests=settings.max_open_requests,
        max_orders=settings.max_orders,
        max_order_lines=settings.max_order_lines,
        require_paid=settings.require_paid,
        handover_offer_seconds=settings.handover_offer_seconds,
    )


def _join_codes(settings: Settings, database: Database) -> JoinCodes:
    keys = [settings.jwt_secret_key]
    if settings.jwt_secret_key_previous is not None:
        keys.append(settings.jwt_secret_key_previous)
    return JoinCodes(database, keys, max_guests=settings.max_guests)


def _token_keys(settings: Settings) -> TokenKeys:
    return TokenKeys(
        settings.jwt_secret_key,
        settings.jwt_public_key,
        settings.jwt_algorithm,
        previous_secret_key=settings.jwt_secret_key_previous,
        audience=settings.jwt_audience,
        issuer=settings.jwt_issuer,
    )


def _backend(settings: Settings, database: Database) -> Backend:
    return choose_backend(
        limits=HistoryLimits(
            max_events=settings.history_events, max_age_seconds=settings.history_seconds
        ),
        redis_url=settings.redis_url,
        redis_prefix=settings.redis_prefix,
        deployment=database.fingerprint,
        history_path=settings.instance_dir / "history.json",
    )


def _serving_lock(settings: Settings, database: Database) -> ServingLock:
    """Return what one process at a time holds: its history's place, and its database's."""
    paths = [settings.instance_dir / "relay.lock"]
    if (path := database.sqlite_path) is not None:
        paths.append(path.with_name(f"{path.name}-relay.lock"))
    return ServingLock(paths)


def _relay(service: WaiterService, broker: Broker, *, look: Callable[[], None]) -> Relay:
    if broker.is_shared:
        return SharedRelay(service, broker, look=look)
    return ExclusiveRelay(service, look=look)


def _rate_limits(settings: Settings) -> RateLimits:
    if not settings.rate_limits:
        return RateLimits.none()
    return RateLimits(
        guest_calls=settings.guest_calls_per_minute,
        guest_changes=settings.guest_changes_per_minute,
        staff_calls=settings.staff_calls_per_minute,
        venue_calls=settings.venue_calls_per_minute,
        venue_changes=settings.venue_changes_per_minute,
        stream_opens=settings.opens_per_minute,
        failures=settings.failed_calls_per_minute,
    )


def _stream_options(settings: Settings) -> StreamOptions:
    return StreamOptions(
        heartbeat_seconds=settings.heartbeat_seconds,
        max_pending_events=settings.max_pending_events,
        drain_seconds=settings.drain_seconds,
        limits=StreamLimits(
            max_streams=settings.max_streams_per_worker,
            max_streams_per_principal=settings.max_streams_per_principal,
            max_streams_per_venue=settings.max_streams_per_venue,
        ),
    )
