"""Whether a secret that signs tokens could be guessed."""

from __future__ import annotations

import re
from itertools import pairwise

#: A secret shorter than HMAC-SHA256's own output is the weakest part of the signature
#: (RFC 7518, section 3.2).
MIN_BYTES = 32

#: Different pairs of neighbouring characters. 16 random bytes in hexadecimal have more than
#: 20; a repeated word has as many as it has letters.
MIN_PAIRS = 16

#: Secrets from tutorials and templates. Compared without case and punctuation.
_WELL_KNOWN = re.compile(
    r"changeme|changethis|changeit|replaceme|replacethis|yoursecret|yoursupersecret|yourjwtsecret"
    r"|supersecret|insecure|placeholder|256bit|512bit|mysecretkey|secretkeyhere"
    # FastAPI's and Flask's documentation; the Spring tutorials.
    r"|09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"
    r"|192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf"
    r"|404e635266556a586e3272357538782f413f4428472b4b6250645367566b5970"
)


def weakness_of(secret: str, *, public_key: str | None = None) -> str | None:
    """Return what is wrong with ``secret``, as the end of "JWT_SECRET_KEY is ...", or None.

    ``public_key`` is the key that verifies tokens, which everyone may know.
    """
    if public_key and _without_blanks(secret) in _without_blanks(public_key):
        return "the public key, or a part of it, which anyone may have"
    if len(secret.encode()) < MIN_BYTES:
        return f"shorter than {MIN_BYTES} bytes"
    if "-----BEGIN" in secret:
        return "a key in PEM form, which is no shared secret"
    if _WELL_KNOWN.search(re.sub(r"[^a-z0-9]", "", secret.lower())):
        return "a well-known one"
    pairs = list(pairwise(secret))
    # "abcdefgh" and "12345678" are one choice, not eight.
    rows = sum(abs(ord(after) - ord(before)) <= 1 for before, after in pairs)
    is_repeated = secret in (secret + secret)[1:-1]
    if is_repeated or len(set(pairs)) < MIN_PAIRS or rows > len(pairs) / 2:
        return "too regular: few characters, or the same ones again and again"
    return None


def _without_blanks(key: str) -> str:
    return "".join(key.replace("\\n", "").split())
