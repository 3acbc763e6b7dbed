"""From a token to a principal: the one place that knows what claims mean.

To accept another platform's claims, change :func:`principal_from_claims` alone.
flask-jwt-extended makes the tokens; joserfc verifies their signatures, in half the time
of the library beneath flask-jwt-extended. After a restart every client reconnects, and
verifying its token was a third of the cost.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token
from joserfc import jws
from joserfc.errors import BadSignatureError, InvalidPayloadError, JoseError

from notifications.access.token_keys import Keyring, TokenKeys
from notifications.errors import NotAuthenticated
from notifications.principal import Principal, Role
from waiter_service import inputs
from waiter_service.actors import ALL_VENUES, MAIN_VENUE
from waiter_service.errors import ValidationError
from waiter_service.revocations import KEPT_FOR

#: The word in a token's ``scope`` claim that makes it good for ``/sse/*`` alone.
STREAM_SCOPE = "stream"

#: Seconds a stream token is good for: few, since it is part of a URL. Each renewal
#: interrupts the stream once, and it resumes.
STREAM_TOKEN_SECONDS = 600

#: Verified tokens that are remembered, so that each is verified once however often its
#: bearer reconnects. About 4 MB when full.
CACHED_TOKENS = 10_000

#: The limit on a request's header; see gunicorn.conf.py.
MAX_TOKEN_CHARS = 8190

#: A token must end within this time: revocations are kept as long.
MAX_LIFETIME_SECONDS = KEPT_FOR.total_seconds()

#: How far ahead the clock may be that issued a token. Another machine's clock is never
#: quite the same, and a token's times may have fractions of a second. A token that has
#: expired by this machine's clock is refused in any case.
LEEWAY_SECONDS = 2

#: The end of the year 9999, in Unix seconds.
MAX_MOMENT = 253_402_300_799

IsRevoked = Callable[[Principal], bool]


def bearer_token(authorization: str | None) -> str | None:
    """Return the token that an Authorization header carries, or None.

    Another scheme counts as no header at all: a proxy that asks for a password in
    front of a site must not hide a cookie or ``?token=``.
    """
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def principal_from_claims(claims: Mapping[str, Any]) -> Principal:
    """Return the bearer that verified ``claims`` describe.

    Raises:
        NotAuthenticated: a claim is missing or malformed.
    """
    subject, role = claims.get("sub"), claims.get("role")
    if not isinstance(subject, str) or not subject:
        raise NotAuthenticated("The token names no subject.")
    try:
        # Only text that a revocation can store: access must be possible to withdraw.
        inputs.exact_text("sub", subject)
    except ValidationError:
        raise NotAuthenticated("The token's subject is not a possible id.") from None
    if role not in list(Role):
        raise NotAuthenticated("The token's role is none of: " + ", ".join(Role) + ".")
    if claims.get("type") == "refresh":
        # It lasts for weeks, and its only use is to get other tokens.
        raise NotAuthenticated("The token is a refresh token.")
    token_ids = tuple(
        claims[name] for name in ("jti", "parent_jti") if isinstance(claims.get(name), str)
    )
    return Principal(
        role=Role(role),
        subject=subject,
        venue=MAIN_VENUE if role == Role.CUSTOMER else _venue(claims.get("venue")),
        expires_at=_moment(claims, "exp") or 0.0,
        issued_at=_moment(claims, "iat") or 0.0,
        token_ids=token_ids,
        is_stream_token=STREAM_SCOPE in _scopes(claims.get("scope")),
    )


def _venue(venue: object) -> str:
    """Return the venue of a ``venue`` claim. A token without one is for ``main``."""
    if venue is None:
        return MAIN_VENUE
    if isinstance(venue, str) and (venue == ALL_VENUES or inputs.is_identifier(venue)):
        return venue
    raise NotAuthenticated("The token's venue is not a possible id.")


def _scopes(scope: object) -> Sequence[str]:
    """Return the words of a ``scope`` claim (RFC 8693, section 4.2), or of a list of words."""
    if scope is None:
        return ()
    if isinstance(scope, str):
        return scope.split(" ")
    # A malformed scope may be meant to limit the token, so it must not count as a full one.
    if not isinstance(scope, list) or not all(map(_is_word, scope)):
        raise NotAuthenticated("The token's scope is no list of words.")
    return scope


def _is_word(value: object) -> bool:
    return isinstance(value, str) and len(value.split()) == 1 and value == value.strip()


class TokenVerifier:
    """Verifies tokens against the keys of this deployment."""

    def __init__(self, keys: TokenKeys) -> None:
        self._keyring = Keyring(keys)
        self._audience, self._issuer = keys.audience, keys.issuer
        # A platform may put long header parameters of its own in its tokens.
        self._rules = jws.JWSRegistry(
            algorithms=self._keyring.algorithms, strict_check_header=False
        )
        self._rules.max_header_length = MAX_TOKEN_CHARS

    def claims_of(self, token: str) -> dict[str, Any]:
        """Return the claims of ``token`` after verifying signature, times and addressee.

        Raises:
            NotAuthenticated: it is meant for another service, or not valid now.
            JoseError, ValueError, KeyError, TypeError, RecursionError: it is malformed or
                forged.
        """
        signed = jws.extract_compact(token.encode(), registry=self._rules)
        keys = self._keyring.keys_for(signed.protected)
        if not any(jws.validate_compact(signed, key, registry=self._rules) for key in keys):
            raise BadSignatureError
        claims: dict[str, Any] = json.loads(signed.payload)
        if not isinstance(claims, dict):
            raise InvalidPayloadError
        _require_times(claims, time.time())
        self._require_for_us(claims)
        return claims

    def _require_for_us(self, claims: Mapping[str, Any]) -> None:
        if self._audience is not None:
            named = claims.get("aud")
            if self._audience not in (named if isinstance(named, list) else [named]):
                raise NotAuthenticated("The token is for another audience (aud).")
        if self._issuer is not None and claims.get("iss") != self._issuer:
            raise NotAuthenticated("The token is from another issuer (iss).")


def _require_times(claims: Mapping[str, Any], now: float) -> None:
    """Raise ``NotAuthenticated`` unless a token with ``claims`` is valid at ``now``."""
    expires_at = _moment(claims, "exp")
    if expires_at is None:
        raise NotAuthenticated("The token has no end (exp).")
    if expires_at <= now:
        raise NotAuthenticated("The token has expired.")
    if expires_at > now + MAX_LIFETIME_SECONDS + LEEWAY_SECONDS:
        # Its revocation would be deleted before the token ends.
        raise NotAuthenticated("The token's end (exp) is more than 30 days away.")
    if any((_moment(claims, name) or 0.0) > now + LEEWAY_SECONDS for name in ("nbf", "iat")):
        raise NotAuthenticated("The token is not valid yet; compare the clocks.")


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a time in Unix seconds, or None where the claim is missing.

    Raises:
        ValueError: it is not a number, or no time has that number.
    """
    value = claims.get(name)
    if value is None:
        return None
    # True is an int to Python.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(name)
    if not 0 <= value <= MAX_MOMENT:  # false for NaN
        raise ValueError(name)
    return float(value)


def init_app(app: Flask, keys: TokenKeys) -> None:
    """Set up flask-jwt-extended on ``app``, to make tokens."""
    app.config["JWT_SECRET_KEY"] = keys.secret_key
    app.config["JWT_ALGORITHM"] = "HS256"
    app.config["JWT_ENCODE_AUDIENCE"] = keys.audience
    app.config["JWT_ENCODE_ISSUER"] = keys.issuer
    JWTManager(app)


class Authenticator:
    """Verifies tokens, and remembers those it has verified."""

    def __init__(self, keys: TokenKeys, is_revoked: IsRevoked = lambda principal: False) -> None:
        self._verifier = TokenVerifier(keys)
        self._is_revoked = is_revoked
        self._verified: OrderedDict[bytes, Principal] = OrderedDict()

    def authenticate(self, token: str) -> Principal:
        """Return the bearer of ``token``.

        Raises:
            NotAuthenticated: malformed, forged, expired or revoked.
        """
        # A digest, so that a memory dump of this process holds no usable token.
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        principal = self._verified.get(digest)
        if principal is None:
            principal = self._verify(token)
            self._verified[digest] = principal
            if len(self._verified) > CACHED_TOKENS:
                self._verified.popitem(last=False)
        if principal.expires_at <= time.time():
            raise NotAuthenticated("The token has expired.")
        if self._is_revoked(principal):
            raise NotAuthenticated("The token has been revoked.")
        return principal

    def _verify(self, token: str) -> Principal:
        try:
            return principal_from_claims(self._verifier.claims_of(token))
        except (JoseError, ValueError, KeyError, TypeError, RecursionError):
            raise NotAuthenticated("The token is not valid.") from None


def create_token(
    role: Role, subject: str, *, lifetime_seconds: float, claims: Mapping[str, Any] | None = None
) -> str:
    """Return a signed token. Needs an app context."""
    token: str = create_access_token(
        identity=subject,
        additional_claims={"role": role.value, **(claims or {})},
        expires_delta=timedelta(seconds=lifetime_seconds),
    )
    return token


def create_stream_token(principal: Principal) -> tuple[str, datetime]:
    """Return a token with which ``principal`` can only open streams, and when it ends.

    It ends no later than the token it is made from, and is revoked with it: by that
    token's id, or with everything its bearer holds. For the latter it has the same ``iat``.
    """
    lifetime_seconds = min(STREAM_TOKEN_SECONDS, principal.expires_at - time.time())
    claims: dict[str, Any] = {"scope": STREAM_SCOPE, "iat": int(principal.issued_at)}
    if principal.venue != MAIN_VENUE:
        claims["venue"] = principal.venue
    if principal.token_ids:
        claims["parent_jti"] = principal.token_ids[0]
    token = create_token(
        principal.role, principal.subject, lifetime_seconds=lifetime_seconds, claims=claims
    )
    return token, datetime.now(UTC) + timedelta(seconds=lifetime_seconds)
