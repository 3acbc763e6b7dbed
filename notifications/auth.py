"""From a token to a principal: the one place that knows what claims mean.

Another platform's claims are one change, in :func:`principal_from_claims`.
Tokens are made by flask-jwt-extended, and verified (algorithm, signature, times)
by joserfc. It takes half the time that the library beneath flask-jwt-extended does,
and verifying was a third of what a client costs that comes back after a restart.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token
from joserfc import jws
from joserfc.errors import BadSignatureError, ExpiredTokenError, InvalidPayloadError, JoseError
from joserfc.jwk import Key, OctKey, import_key
from joserfc.jwt import JWTClaimsRegistry

from notifications.errors import NotAuthenticated
from notifications.principal import Principal, Role
from waiter_service import inputs
from waiter_service.errors import ValidationError

#: What the ``scope`` claim of a token says that is good for ``/sse/*`` alone.
STREAM_SCOPE = "stream"

#: Seconds a stream token is good for. It stands in a URL, so it is short;
#: each renewal cuts the stream once, and it resumes.
STREAM_TOKEN_SECONDS = 600

#: Verified tokens remembered. In a storm of reconnects each is verified once;
#: a third of a connect's CPU was that. About 4 MB when full.
CACHED_TOKENS = 10_000

#: As long as a header of a request may be; see gunicorn.conf.py.
MAX_TOKEN_CHARS = 8190

#: What each algorithm's key is, in JOSE's words (RFC 7518, section 6.1).
_KEY_TYPES: Mapping[str, Literal["RSA", "EC"]] = {"RS256": "RSA", "ES256": "EC"}

IsRevoked = Callable[[Principal], bool]


def principal_from_claims(claims: Mapping[str, Any]) -> Principal:
    """Return whom verified ``claims`` are about.

    Raises:
        NotAuthenticated: a claim is missing or not what it should be.
    """
    subject, role = claims.get("sub"), claims.get("role")
    if not isinstance(subject, str) or not subject:
        raise NotAuthenticated("The token names no subject.")
    try:
        # Any subject that is let in can be named when its access is withdrawn.
        inputs.exact_text("sub", subject)
    except ValidationError:
        raise NotAuthenticated("The token's subject cannot be anybody's id.") from None
    if role not in list(Role):
        raise NotAuthenticated("The token's role is none of: " + ", ".join(Role) + ".")
    if claims.get("type") == "refresh":
        # It lives for weeks, and is good for getting other tokens alone.
        raise NotAuthenticated("The token is a refresh token.")
    token_ids = tuple(
        claims[name] for name in ("jti", "parent_jti") if isinstance(claims.get(name), str)
    )
    return Principal(
        role=Role(role),
        subject=subject,
        expires_at=float(claims.get("exp", math.inf)),
        issued_at=float(claims.get("iat", 0.0)),
        token_ids=token_ids,
        is_stream_token=claims.get("scope") == STREAM_SCOPE,
    )


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """What tokens are signed and verified with; masked in ``repr``.

    Tokens of ours are HS256, with ``secret_key``. With ``public_key`` (PEM),
    the platform's own tokens, signed with ``algorithm``, are good as well.
    """

    secret_key: str = field(repr=False)
    public_key: str | None = field(default=None, repr=False)
    algorithm: str = "HS256"


class TokenVerifier:
    """Verifies what tokens claim, against the keys of this deployment."""

    def __init__(self, keys: TokenKeys) -> None:
        # The key follows from the algorithm, never the other way round: a
        # public key must not verify what was "signed" with it as a secret.
        self._keys: dict[str, Key] = {"HS256": OctKey.import_key(keys.secret_key)}
        if keys.public_key is not None:
            self._keys[keys.algorithm] = import_key(keys.public_key, _KEY_TYPES[keys.algorithm])
        # A platform's tokens may have header parameters of its own, and long ones.
        self._rules = jws.JWSRegistry(algorithms=list(self._keys), strict_check_header=False)
        self._rules.max_header_length = MAX_TOKEN_CHARS
        # It goes by whole seconds, and a token made in this one may name a fraction;
        # nor are two machines' clocks ever quite the same. Authenticator sees to it
        # that no token outlives its end by that.
        self._times = JWTClaimsRegistry(leeway=2)

    def claims_of(self, token: str) -> dict[str, Any]:
        """Return what ``token`` claims, once its signature and times are verified.

        Raises:
            JoseError, ValueError, KeyError, TypeError, RecursionError: something of it is
                not as it should be.
        """
        signed = jws.extract_compact(token.encode(), registry=self._rules)
        key = self._keys[signed.protected["alg"]]
        if not jws.validate_compact(signed, key, registry=self._rules):
            raise BadSignatureError
        claims: dict[str, Any] = json.loads(signed.payload)
        if not isinstance(claims, dict):
            raise InvalidPayloadError
        self._times.validate(claims)
        return claims


def init_app(app: Flask, keys: TokenKeys) -> None:
    """Set flask-jwt-extended up on ``app``, which makes the tokens."""
    app.config["JWT_SECRET_KEY"] = keys.secret_key
    app.config["JWT_ALGORITHM"] = "HS256"
    JWTManager(app)


class Authenticator:
    """Verifies tokens, remembering those it has verified."""

    def __init__(self, keys: TokenKeys, is_revoked: IsRevoked = lambda principal: False) -> None:
        self._verifier = TokenVerifier(keys)
        self._is_revoked = is_revoked
        self._verified: OrderedDict[bytes, Principal] = OrderedDict()

    def authenticate(self, token: str) -> Principal:
        """Return the bearer of ``token``.

        Raises:
            NotAuthenticated: malformed, forged, expired or revoked.
        """
        # The digest, so that a dump of this process holds no usable token.
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
        except ExpiredTokenError:
            raise NotAuthenticated("The token has expired.") from None
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
    """Return a token for ``principal`` that opens streams and nothing else, and its end.

    It never outlives the token it is made from, and is revoked with it: also
    with all that its bearer holds, so it is as old as that token is.
    """
    lifetime_seconds = min(STREAM_TOKEN_SECONDS, principal.expires_at - time.time())
    claims: dict[str, Any] = {"scope": STREAM_SCOPE, "iat": int(principal.issued_at)}
    if principal.token_ids:
        claims["parent_jti"] = principal.token_ids[0]
    token = create_token(
        principal.role, principal.subject, lifetime_seconds=lifetime_seconds, claims=claims
    )
    return token, datetime.now(UTC) + timedelta(seconds=lifetime_seconds)
