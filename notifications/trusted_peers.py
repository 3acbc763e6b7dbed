"""Peers whose word about others, and about themselves, is believed: our own proxies."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network


class TrustedPeers:
    """Addresses and networks, as gunicorn's ``forwarded_allow_ips`` lists them.

    ``*`` is any peer. A peer without an address came through a socket file, and
    whoever may write to that is trusted, as gunicorn does.

    Raises:
        ValueError: something is neither an address nor a network.
    """

    def __init__(self, peers: Iterable[str] = ("127.0.0.1", "::1")) -> None:
        named = {peer.strip() for peer in peers} - {""}
        self._is_anybody = "*" in named
        self._networks = [ip_network(peer, strict=False) for peer in named - {"*"}]

    def include(self, peer: str | None) -> bool:
        """Tell whether ``peer``, an address or None or empty, is one of them."""
        if not peer or self._is_anybody:
            return True
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
