"""How the text of an environment variable becomes a value, each kind with its rule.

Every function here takes text, or a value of the right type already, and raises
``BadValue`` with the rule it breaks, worded to follow "must be".
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import quote, urlsplit

#: Web pages, and the shells that wrap one as an app for phones and desktops.
ORIGIN_SCHEMES = frozenset({"http", "https", "capacitor", "ionic", "tauri"})


class BadValue(ValueError):
    """The rule that a value breaks. Never the value: it may be a secret."""


def text(value: object) -> str:
    """Return text without the blanks around it."""
    return str(value).strip()


def host(value: object) -> str:
    """Return a name or an address of either family, without an IPv6 address's brackets."""
    named = str(value).strip().removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", named):
        try:
            ipaddress.IPv6Address(named)
        except ValueError:
            raise BadValue("an IPv4 or IPv6 address or a name, without a port") from None
    return named


def integer(low: int, high: int) -> Callable[[object], int]:
    """Return a parser of whole numbers from ``low`` to ``high``."""

    def parse(value: object) -> int:
        try:
            number = int(str(value))
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise BadValue(f"a whole number from {low} to {high}")
        return number

    return parse


def seconds(low: float, high: float) -> Callable[[object], float]:
    """Return a parser of seconds, whole or not, from ``low`` to ``high``."""

    def parse(value: object) -> float:
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not low <= number <= high:  # NaN is never within
            raise BadValue(f"a number of seconds from {low:g} to {high:g}")
        return number

    return parse


def path(value: object) -> Path:
    """Return a path; ``~`` is the home directory."""
    return Path(str(value)).expanduser()


def boolean(value: object) -> bool:
    """Parse 1/0, true/false, yes/no, on/off in any case."""
    word = str(value).strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off"}:
        return False
    raise BadValue("1 or 0 (or true/false, yes/no, on/off)")


def choice(*allowed: str) -> Callable[[object], str]:
    """Return a parser of one of ``allowed``, typed in any case."""
    by_folded = {word.lower(): word for word in allowed}

    def parse(value: object) -> str:
        try:
            return by_folded[str(value).strip().lower()]
        except KeyError:
            raise BadValue(f"one of {', '.join(allowed)}") from None

    return parse


def url(*schemes: str) -> Callable[[object], str]:
    """Return a check that a URL has one of ``schemes`` (each with its colon)."""

    def parse(value: object) -> str:
        text = str(value).strip()
        if not text.startswith(tuple(f"{scheme}//" for scheme in schemes)):
            raise BadValue("a URL that starts with " + " or ".join(f"{s}//" for s in schemes))
        return text

    return parse


def redis_prefix(value: object) -> str:
    """Return a prefix that ends in a colon, so that no other one begins with all of it."""
    text = str(value).strip()
    # No braces, which are a cluster's hash tags, and nothing that a pattern of an
    # ACL would read as anything but itself.
    if not re.fullmatch(r"[A-Za-z0-9._-]+(:[A-Za-z0-9._-]+)*:?", text) or len(text) > 64:
        raise BadValue("up to 64 letters, digits, '.', '_', '-', with ':' between words")
    return text if text.endswith(":") else f"{text}:"


def sqlite_url(path: Path) -> str:
    """Return the URL that names the file ``path``, whatever characters are in it."""
    # In a URL, "?" would begin a query and "%" an escape.
    return f"sqlite:///{quote(str(path))}"


def without_password(url: object) -> str:
    """Return a URL fit to be logged: its password masked, in whichever place."""
    masked = re.sub(r"(?<=//)([^/?#]*?):[^/?#]*@", r"\1:***@", str(url))
    return re.sub(r"(?i)(password=)[^&]*", r"\1***", masked)


def origins(value: object) -> tuple[str, ...]:
    """Parse origins separated by commas, exactly as browsers send them."""
    if isinstance(value, str):
        parts: Iterable[object] = value.split(",")
    elif isinstance(value, Iterable):
        parts = value
    else:
        parts = [value]
    listed = tuple(text for part in parts if (text := str(part).strip()))
    for origin in listed:
        split = urlsplit(origin)
        # Streams may carry a cookie; browsers then refuse "*", and so do we.
        is_origin = split.netloc and origin == f"{split.scheme}://{split.netloc}"
        if split.scheme not in ORIGIN_SCHEMES or not is_origin:
            raise BadValue(
                'origins such as "https://app.example.com" or "capacitor://localhost", '
                'without a path, and no "*"'
            )
    return listed


def public_key(value: object) -> str:
    """Return the text of a public key in PEM form, or of a JWKS file; itself or its path."""
    # A multi-line value often travels through an environment file as "\n".
    text = str(value).replace("\\n", "\n").strip()
    if not text.startswith(("-----BEGIN", "{")):
        try:
            text = Path(text).read_text().strip()
        except (OSError, ValueError):
            raise BadValue(
                "a public key in PEM form, or the path of a readable file (PEM or JWKS)"
            ) from None
    algorithms_of(text)
    return text


def algorithms_of(text: str) -> set[str]:
    """Return the JWT algorithms that a PEM's or a JWKS file's keys verify: RS256, ES256."""
    # Here and not above: it takes 50 ms, and few deployments come this way.
    from notifications.access.token_keys import UnusableKey, public_keys

    try:
        return {each.algorithm for each in public_keys(text)}
    except UnusableKey as error:
        raise BadValue(str(error)) from None


def demo(value: object) -> bool | str:
    """Parse 1 or 0, or "public": for all clients that can reach it."""
    if str(value).strip().lower() == "public":
        return "public"
    try:
        return boolean(value)
    except BadValue:
        raise BadValue("1 or 0 (or true/false, yes/no, on/off), or public") from None


def join_url(value: object) -> str:
    """Return the address of a page, with ``{code}`` where a join code goes."""
    text = str(value).strip()
    is_url = "://" in text and not any(character.isspace() for character in text)
    if not is_url or text.count("{code}") != 1:
        raise BadValue('a URL with {code} in it, such as "https://app.example.com/join#{code}"')
    return text


def addresses(value: object) -> str:
    """Return addresses or networks separated by commas, or "*", as gunicorn takes them."""
    text = str(value).strip()
    for each in text.split(","):
        try:
            if each.strip() not in ("*", ""):
                ip_network(each.strip(), strict=False)
        except ValueError:
            raise BadValue('addresses separated by commas, such as "10.20.0.2", or "*"') from None
    return text
