"""Which peers may name the address of a client."""

from __future__ import annotations

import pytest

from notifications.entrance.trusted_peers import TrustedPeers


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("127.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.20.0.9", "192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "198.51.100.1, 2001:db8::7", "2001:db8::7"),
        ("", "192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "192.0.2.7:1001", "192.0.2.7"),
        ("127.0.0.1", "198.51.100.1, [2001:db8::7]:443", "2001:db8::7"),
        ("127.0.0.1", "[::1]", "::1"),
        ("127.0.0.1", "[::1", "127.0.0.1"),
        ("127.0.0.1", "192.0.2.7:", "127.0.0.1"),
        ("127.0.0.1", "a.b:1", "127.0.0.1"),
        ("127.0.0.1", "fe80::1%eth0", "127.0.0.1"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", "192.0.2.7, eyJhbGciOi", "127.0.0.1"),
        ("203.0.113.9", "192.0.2.7", "203.0.113.9"),
        (None, None, "-"),
    ],
)
def test_trusted_proxy_names_the_address_of_the_client(
    peer: str | None, forwarded_for: str | None, client: str
) -> None:
    trusted = TrustedPeers(["127.0.0.1", "10.20.0.0/16"])
    assert trusted.client_of(peer, forwarded_for) == client
