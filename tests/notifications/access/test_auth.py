"""Authentication turns a token into a principal, or refuses it with one plain error."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from notifications.access import auth
from notifications.access.auth import (
    CACHED_TOKENS,
    STREAM_TOKEN_SECONDS,
    Authenticator,
    create_stream_token,
    create_token,
    principal_from_claims,
)
from notifications.access.token_keys import TokenKeys, UnusableKey, public_keys
from notifications.errors import NotAuthenticated
from notifications.principal import Principal, Role

THIRTY_DAYS = 30 * 24 * 3600
SECRET = "a secret that only the tests use"
KEYS = TokenKeys(SECRET)


@pytest.fixture
def authenticator() -> Iterator[Authenticator]:
    app = Flask(__name__)
    auth.init_app(app, KEYS)
    with app.app_context():
        yield Authenticator(KEYS)


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a waiter. A claim that is given as None is left out."""
    now = time.time()
    every = {
        "sub": "anna",
        "role": "waiter",
        "type": "access",
        "fresh": False,
        "jti": uuid.uuid4().hex,
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
    }
    return {name: value for name, value in (every | changes).items() if value is not None}


def signed(key: Any = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm)


def signed_text(name: str, number: str) -> str:
    """Return a token with a claim written in a form that our JSON library never produces."""
    text = json.dumps(claims() | {name: "here"}).replace('"here"', number)
    return jwt.api_jws.encode(text.encode(), SECRET, algorithm="HS256")


def unsigned(header: dict[str, Any], payload: dict[str, Any], signature: str = "") -> str:
    parts = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header, payload)
    )
    return ".".join([*parts, signature])


@pytest.mark.parametrize(
    ("role", "subject"), [("customer", "table-7"), ("waiter", "anna"), ("manager", "maria")]
)
def test_good_token_gives_its_principal(
    authenticator: Authenticator, role: str, subject: str
) -> None:
    ends_at = float(int(time.time()) + 3600)
    principal = authenticator.authenticate(signed(role=role, sub=subject, jti="t-1", exp=ends_at))
    assert (principal.role, principal.subject) == (Role(role), subject)
    assert principal.expires_at == ends_at
    assert principal.token_ids == ("t-1",)
    assert not principal.is_stream_token


def test_token_of_the_service_is_accepted(authenticator: Authenticator) -> None:
    token = create_token(Role.WAITER, "anna", lifetime_seconds=60)
    principal = authenticator.authenticate(token)
    assert (principal.role, principal.subject) == (Role.WAITER, "anna")
    assert principal.expires_at == pytest.approx(time.time() + 60, abs=2)


def test_token_may_be_valid_as_long_as_a_revocation_is_kept(authenticator: Authenticator) -> None:
    authenticator.authenticate(signed(exp=time.time() + THIRTY_DAYS))
    with pytest.raises(NotAuthenticated, match="more than 30 days"):
        authenticator.authenticate(signed(exp=time.time() + THIRTY_DAYS + 60))
    with pytest.raises(NotAuthenticated, match="no end"):
        authenticator.authenticate(signed(exp=None))


def test_platform_token_with_the_required_claims_only_is_accepted(
    authenticator: Authenticator,
) -> None:
    least = {"sub": "anna", "role": "waiter", "exp": int(time.time()) + 60}
    token = jwt.encode(least, SECRET, algorithm="HS256")
    assert authenticator.authenticate(token).subject == "anna"


def test_platform_may_add_any_header(authenticator: Authenticator) -> None:
    headers = {"kid": "2026-11", "x5c": ["A" * 1500], "tenant": "bistro"}
    token = jwt.encode(claims(), SECRET, algorithm="HS256", headers=headers)
    assert authenticator.authenticate(token).subject == "anna"


def test_clock_of_the_platform_may_be_slightly_fast(authenticator: Authenticator) -> None:
    soon = time.time() + 0.5
    assert authenticator.authenticate(signed(iat=soon, nbf=soon)).subject == "anna"


REFUSED: dict[str, Callable[[], str]] = {
    "forged": lambda: signed("another secret, just as long as the good one"),
    "signature cut off": lambda: signed().rpartition(".")[0] + ".",
    "signature of another": lambda: (
        signed().rpartition(".")[0] + "." + signed(sub="ben").split(".")[2]
    ),
    "alg none": lambda: unsigned({"alg": "none", "typ": "JWT"}, claims()),
    "alg None": lambda: unsigned({"alg": "None"}, claims()),
    "alg missing": lambda: unsigned({"typ": "JWT"}, claims(), "AAAA"),
    "another algorithm": lambda: signed(SECRET * 2, algorithm="HS512"),
    "not yet good": lambda: signed(nbf=time.time() + 3600),
    "issued in the future": lambda: signed(iat=time.time() + 3600),
    "no subject": lambda: signed(sub=None),
    "empty subject": lambda: signed(sub=""),
    "subject a number": lambda: signed(sub=7),
    "no role": lambda: signed(role=None),
    "unknown role": lambda: signed(role="chef"),
    "role in another case": lambda: signed(role="Waiter"),
    "roles in a list": lambda: signed(role=["waiter"]),
    "end is no number": lambda: signed(exp="tomorrow"),
    "end is a list": lambda: signed(exp=[]),
    "scope is a number": lambda: signed(scope=7),
    "scope is false": lambda: signed(scope=False),
    "two words in one of scope": lambda: signed(scope=["stream x"]),
    "a blank in a word of scope": lambda: signed(scope=["stream "]),
    "a list in scope": lambda: signed(scope=[["stream"]]),
    "a number in scope": lambda: signed(scope=["openid", 7]),
    "an empty word in scope": lambda: signed(scope=["openid", ""]),
    **{
        f"{name} is {number}": partial(signed_text, name, number)
        for name in ("exp", "iat", "nbf")
        for number in (
            "1e400",
            "NaN",
            "Infinity",
            "-Infinity",
            "-1",
            "true",
            "false",
            '"4102444800"',
            "[1]",
            "{}",
            "9" * 400,
            "1e300",
            "253402300800",
        )
    },
    "a refresh token": lambda: signed(type="refresh"),
    "unknown critical header": lambda: jwt.encode(
        claims(), SECRET, algorithm="HS256", headers={"crit": ["exp"]}
    ),
    "empty": lambda: "",
    "dots": lambda: "..",
    "two parts": lambda: "eyJhbGciOiJIUzI1NiJ9.e30",
    "not base64": lambda: "!!!.???.***",
    "not ascii": lambda: "é.ü.ß",
    "half a surrogate": lambda: "\udce9.a.b",
    "very long": lambda: "a" * 100_000,
    "header a list": lambda: unsigned([], claims(), "AAAA"),  # type: ignore[arg-type]
    "payload a list": lambda: unsigned({"alg": "HS256"}, [], "AAAA"),  # type: ignore[arg-type]
    **{
        f"signed, payload {payload!r}": partial(
            jwt.PyJWS().encode, payload, SECRET, algorithm="HS256"
        )
        for payload in (b"[]", b'"sub"', b"7", b"null", b"", b"{", b"[" * 5000)
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_token_is_refused_without_quoting_it(authenticator: Authenticator, name: str) -> None:
    for _ in range(2):  # a refused token must not be remembered as good
        with pytest.raises(NotAuthenticated) as caught:
            authenticator.authenticate(REFUSED[name]())
        assert "eyJ" not in str(caught.value)


def test_expired_token_is_refused_as_expired(authenticator: Authenticator) -> None:
    with pytest.raises(NotAuthenticated, match="expired"):
        authenticator.authenticate(signed(exp=time.time() - 1))


def test_remembered_token_still_expires(authenticator: Authenticator) -> None:
    token = signed(exp=time.time() + 0.5)
    principal = authenticator.authenticate(token)
    while time.time() < principal.expires_at:
        time.sleep(0.01)
    with pytest.raises(NotAuthenticated, match="expired"):
        authenticator.authenticate(token)


def test_remembered_token_can_still_be_revoked(authenticator: Authenticator) -> None:
    revoked: set[str] = set()
    watchful = Authenticator(KEYS, lambda principal: not revoked.isdisjoint(principal.token_ids))
    token = signed(jti="lost-phone")
    watchful.authenticate(token)
    revoked.add("lost-phone")
    with pytest.raises(NotAuthenticated, match="revoked"):
        watchful.authenticate(token)


def test_memory_of_tokens_is_bounded_and_contains_no_token(authenticator: Authenticator) -> None:
    token = signed()
    authenticator.authenticate(token)
    assert token not in repr(vars(authenticator))
    assert token.split(".")[2] not in repr(vars(authenticator))
    for number in range(20):
        authenticator.authenticate(signed(jti=str(number)))
    assert len(authenticator._verified) == 21 <= CACHED_TOKENS


@given(st.text(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_arbitrary_text_is_refused(authenticator: Authenticator, text: str) -> None:
    with pytest.raises(NotAuthenticated):
        authenticator.authenticate(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["sub", "role", "exp", "iat", "nbf", "jti", "type", "scope", "csrf"]),
        json_values,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_signed_nonsense_is_refused_or_gives_a_valid_principal(
    authenticator: Authenticator, nonsense: dict[str, Any]
) -> None:
    token = jwt.api_jws.encode(json.dumps(claims() | nonsense).encode(), SECRET, algorithm="HS256")
    try:
        principal = authenticator.authenticate(token)
    except NotAuthenticated:
        return
    assert isinstance(principal.subject, str)
    assert isinstance(principal.role, Role)
    assert all(isinstance(each, str) for each in principal.token_ids)


# -- stream tokens ----------------------------------------------------------------------


def test_stream_token_is_short_lived_and_marked_as_one(
    authenticator: Authenticator,
) -> None:
    full = authenticator.authenticate(signed(jti="phone"))
    token, ends_at = create_stream_token(full)
    principal = authenticator.authenticate(token)
    assert principal.is_stream_token
    assert (principal.role, principal.subject) == (full.role, full.subject)
    assert ends_at.timestamp() == pytest.approx(time.time() + STREAM_TOKEN_SECONDS, abs=2)
    assert principal.expires_at == pytest.approx(ends_at.timestamp(), abs=2)
    assert "phone" in principal.token_ids, "it must be revoked with the token it was made from"


def test_stream_token_never_outlives_the_token_it_was_made_from(
    authenticator: Authenticator,
) -> None:
    full = authenticator.authenticate(signed(exp=time.time() + 30))
    token, _ = create_stream_token(full)
    assert authenticator.authenticate(token).expires_at <= full.expires_at + 1


def test_stream_token_is_as_old_as_the_token_it_was_made_from(
    authenticator: Authenticator,
) -> None:
    """Otherwise a stream token made just after a revocation of its bearer would escape it."""
    full = authenticator.authenticate(signed(iat=time.time() - 100))
    token, _ = create_stream_token(full)
    assert authenticator.authenticate(token).issued_at <= full.issued_at


def test_repr_of_the_keys_shows_no_key() -> None:
    keys = TokenKeys(SECRET, pem(RSA), "RS256")
    assert SECRET not in repr(keys)
    assert "PUBLIC KEY" not in repr(keys)


def test_principal_is_made_from_the_claims_only() -> None:
    principal = principal_from_claims(
        {"sub": "anna", "role": "waiter", "scope": "stream", "exp": 60}
    )
    assert principal == Principal(
        Role.WAITER, "anna", expires_at=60.0, issued_at=0.0, is_stream_token=True
    )


@pytest.mark.parametrize(
    ("scope", "is_stream_token"),
    [
        ("stream", True),
        ("openid stream profile", True),
        (["openid", "stream"], True),
        ("streaming upstream", False),
        ("Stream", False),
        ("", False),
        ([], False),
        (None, False),
    ],
)
def test_scope_is_compared_word_by_word(
    authenticator: Authenticator, scope: Any, is_stream_token: bool
) -> None:
    assert authenticator.authenticate(signed(scope=scope)).is_stream_token is is_stream_token


# -- audience, issuer and secret -----------------------------------------------------------


@pytest.fixture
def strict() -> Iterator[Authenticator]:
    app = Flask(__name__)
    keys = TokenKeys(SECRET, audience="restaurant", issuer="https://login.example.com")
    auth.init_app(app, keys)
    with app.app_context():
        yield Authenticator(keys)


FOR_US = {"aud": "restaurant", "iss": "https://login.example.com"}


def test_audience_and_issuer_are_required_when_they_are_configured(strict: Authenticator) -> None:
    assert strict.authenticate(signed(**FOR_US))
    assert strict.authenticate(signed(aud=["menu", "restaurant"], iss=FOR_US["iss"]))
    ours = create_token(Role.WAITER, "anna", lifetime_seconds=60)
    assert strict.authenticate(create_stream_token(strict.authenticate(ours))[0])


@pytest.mark.parametrize(
    "others",
    [
        {"aud": None}, {"aud": "menu"}, {"aud": ["menu"]}, {"aud": []}, {"aud": {}}, {"aud": "r"},
        {"iss": None}, {"iss": "https://login.example.org"}, {"iss": ""},
    ],
)  # fmt: skip
def test_token_meant_for_others_is_refused(strict: Authenticator, others: dict[str, Any]) -> None:
    with pytest.raises(NotAuthenticated):
        strict.authenticate(signed(**{**FOR_US, **others}))


def test_audience_is_ignored_when_none_is_configured(authenticator: Authenticator) -> None:
    assert authenticator.authenticate(signed(**FOR_US))


def test_secret_before_a_rotation_still_verifies(authenticator: Authenticator) -> None:
    newer = "the newer secret, as long as the other one"
    rotated = Authenticator(TokenKeys(newer, previous_secret_key=SECRET))
    assert rotated.authenticate(signed())
    assert rotated.authenticate(signed(newer))
    with pytest.raises(NotAuthenticated):
        authenticator.authenticate(signed(newer))


# -- tokens that the platform signs ---------------------------------------------------------

RSA = rsa.generate_private_key(65537, 2048)
ANOTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> str:
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return str(public.decode())


@pytest.fixture(params=["RS256", "ES256"])
def platform(request: pytest.FixtureRequest) -> Iterator[tuple[Authenticator, Any, str]]:
    key = RSA if request.param == "RS256" else EC
    app = Flask(__name__)
    keys = TokenKeys(SECRET, pem(key), request.param)
    auth.init_app(app, keys)
    with app.app_context():
        yield Authenticator(keys), key, request.param


def test_tokens_of_the_platform_and_of_the_service_are_accepted(
    platform: tuple[Authenticator, Any, str],
) -> None:
    authenticator, key, algorithm = platform
    full = authenticator.authenticate(signed(key, algorithm))
    token, _ = create_stream_token(full)
    assert authenticator.authenticate(token).subject == "anna"


def test_token_signed_with_the_public_key_as_secret_is_refused(
    platform: tuple[Authenticator, Any, str],
) -> None:
    authenticator, key, _ = platform
    header = {"alg": "HS256", "typ": "JWT"}

    unfinished = unsigned(header, claims())[:-1]
    for secret in (pem(key), pem(key).strip()):
        signature = hmac.new(secret.encode(), unfinished.encode(), hashlib.sha256).digest()
        forged = f"{unfinished}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        with pytest.raises(NotAuthenticated):
            authenticator.authenticate(forged)


def test_token_of_another_platform_is_refused(platform: tuple[Authenticator, Any, str]) -> None:
    authenticator, _, _ = platform
    for token in (signed(ANOTHER_RSA, "RS256"), signed(SECRET + "!")):
        with pytest.raises(NotAuthenticated):
            authenticator.authenticate(token)


def jwk(key: Any, **fields: Any) -> dict[str, Any]:
    """Return a public key as a JWKS file has it."""
    kind = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
    return dict(kind.to_jwk(key.public_key(), as_dict=True)) | fields


def jwks(*keys: dict[str, Any]) -> str:
    return json.dumps({"keys": list(keys)})


def with_kid(key: Any, algorithm: str, kid: str | None) -> str:
    headers = None if kid is None else {"kid": kid}
    return jwt.encode(claims(), key, algorithm=algorithm, headers=headers)


def test_key_of_a_jwks_file_is_chosen_by_its_kid() -> None:
    text = jwks(
        jwk(RSA, kid="old", use="sig"), jwk(ANOTHER_RSA, kid="new", alg="RS256"), jwk(EC, kid="ec")
    )
    authenticator = Authenticator(TokenKeys(SECRET, text))
    good = [(RSA, "RS256", "old"), (ANOTHER_RSA, "RS256", "new"), (EC, "ES256", "ec")]
    for key, algorithm, kid in good:
        assert authenticator.authenticate(with_kid(key, algorithm, kid)).subject == "anna"
    # A token without a kid uses the only key of its algorithm.
    assert authenticator.authenticate(with_kid(EC, "ES256", None))
    assert authenticator.authenticate(signed())

    bad: list[tuple[Any, str, str | None]] = [
        (RSA, "RS256", "new"),
        (RSA, "RS256", "none"),
        (RSA, "RS256", None),
        (EC, "ES256", "old"),
    ]
    for key, algorithm, wrong_kid in bad:
        with pytest.raises(NotAuthenticated):
            authenticator.authenticate(with_kid(key, algorithm, wrong_kid))


def test_unusable_keys_of_a_jwks_file_are_skipped() -> None:
    listed = public_keys(
        jwks(
            jwk(RSA, kid="seal", use="enc"),
            jwk(RSA, kid="512", alg="RS512"),
            jwk(ec.generate_private_key(ec.SECP384R1()), kid="p384"),
            {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
            jwk(EC, kid="ec"),
        )
    )
    assert [(each.kid, each.algorithm) for each in listed] == [("ec", "ES256")]


@pytest.mark.parametrize(
    "text",
    [
        "{", "{}", '{"keys": 7}', '{"keys": [7]}', '{"keys": []}', '{"keys": [{"kty": "RSA"}]}',
        jwks(jwk(RSA, use="enc")), jwks(jwk(EC, d="AAAA")), jwks({"kty": "oct", "k": "AAAA"}),
    ],
)  # fmt: skip
def test_jwks_file_without_a_usable_key_is_refused(text: str) -> None:
    with pytest.raises(UnusableKey):
        public_keys(text)
