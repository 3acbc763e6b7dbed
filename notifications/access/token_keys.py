"""The keys that sign and verify tokens, and which key a token is verified with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from joserfc.errors import JoseError
from joserfc.jwk import Key, OctKey, import_key


class UnusableKey(ValueError):
    """A public key that cannot be used; the message completes "must be ..."."""


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """The keys of a deployment, masked in ``repr``, and what every token must name.

    ``secret_key`` signs this service's tokens (HS256); ``previous_secret_key`` still
    verifies tokens from before a rotation. ``public_key`` (PEM, or the text of a JWKS file)
    verifies the platform's own tokens: only those of ``algorithm`` if that is RS256 or
    ES256, otherwise those of each key's own algorithm. Every token must name ``audience``
    and ``issuer`` where they are given.
    """

    secret_key: str = field(repr=False)
    public_key: str | None = field(default=None, repr=False)
    algorithm: str = "HS256"
    previous_secret_key: str | None = field(default=None, repr=False)
    audience: str | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key of a platform; ``kid`` is its name in a JWKS file."""

    algorithm: Literal["RS256", "ES256"]
    key: Key = field(repr=False)
    kid: str | None = None


class Keyring:
    """Finds the keys that a token may be verified with."""

    def __init__(self, keys: TokenKeys) -> None:
        secrets = [keys.secret_key, keys.previous_secret_key]
        self._secrets = [OctKey.import_key(each) for each in secrets if each is not None]
        known = public_keys(keys.public_key) if keys.public_key is not None else []
        if keys.algorithm != "HS256":
            known = [each for each in known if each.algorithm == keys.algorithm]
        self._public = known

    @property
    def algorithms(self) -> list[str]:
        """Every algorithm that a token may name."""
        return ["HS256", *{each.algorithm for each in self._public}]

    def keys_for(self, header: Mapping[str, Any]) -> Sequence[Key]:
        """Return the keys for a token with ``header``; none if no key of ours fits it.

        The algorithm decides which keys are tried. A public key never verifies HS256:
        otherwise anyone could sign tokens with that key as the secret.
        """
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm == "HS256":
            return self._secrets
        fitting = [each for each in self._public if each.algorithm == algorithm]
        is_only_one = len(fitting) == 1
        return [
            each.key
            for each in fitting
            if each.kid is None or each.kid == kid or (kid is None and is_only_one)
        ]


def public_keys(text: str) -> list[PublicKey]:
    """Return the keys in a PEM text or in the text of a JWKS file (RFC 7517).

    In a JWKS file, keys for other purposes or algorithms are skipped.

    Raises:
        UnusableKey: there is no usable key, or a private one.
    """
    if "PRIVATE KEY" in text:
        raise UnusableKey("the public key; the private key stays in the system that signs tokens")
    if not text.lstrip().startswith("{"):
        return [_from_pem(text)]
    try:
        listed = json.loads(text)["keys"]
        found = [_from_jwk(each) for each in listed]
    except (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, UnusableKey):
            raise
        raise UnusableKey('a JWKS file: {"keys": [...]}') from None
    usable = [each for each in found if each is not None]
    if not usable:
        raise UnusableKey("a JWKS file with an RSA key of 2048 bits or more, or a P-256 key")
    return usable


def _from_pem(text: str) -> PublicKey:
    # Imported here since it takes 50 ms, and few deployments use a PEM file.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        native = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableKey("a public key in PEM form") from None
    algorithm = _algorithm_of(native)
    if algorithm is None:
        raise UnusableKey("an RSA key of 2048 bits or more (RS256) or a P-256 key (ES256)")
    kind: Literal["RSA", "EC"] = "RSA" if isinstance(native, RSAPublicKey) else "EC"
    return PublicKey(algorithm, import_key(text, kind))


def _from_jwk(fields: dict[str, Any]) -> PublicKey | None:
    if "d" in fields or fields.get("kty") == "oct":
        raise UnusableKey("public keys only; private keys stay in the system that signs tokens")
    if fields.get("kty") not in ("RSA", "EC") or fields.get("use", "sig") != "sig":
        return None
    key = import_key(fields)
    algorithm = _algorithm_of(key.get_op_key("verify"))
    if algorithm is None or fields.get("alg", algorithm) != algorithm:
        return None
    kid = fields.get("kid")
    return PublicKey(algorithm, key, kid if isinstance(kid, str) else None)


def _algorithm_of(native: object) -> Literal["RS256", "ES256"] | None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    if isinstance(native, RSAPublicKey) and native.key_size >= 2048:
        return "RS256"
    if isinstance(native, EllipticCurvePublicKey) and isinstance(native.curve, SECP256R1):
        return "ES256"
    return None
