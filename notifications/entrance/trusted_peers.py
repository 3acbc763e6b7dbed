"""The peers that we trust: our own proxies, which say who the client is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}")

#: Some proxies add the port, which a client changes with each connection.
_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f.:]+)\]|([0-9.]+))(?::[0-9]{1,5})?")


class TrustedPeers:
    """Addresses and networks, as gunicorn's ``forwarded_allow_ips`` lists them.

    ``*`` is any peer. A peer without an address came through a socket file; it is
    trusted, as by gunicorn.

    Raises:
        ValueError: something is neither an address nor a network.
    """

    def __init__(self, peers: Iterable[str] = ("127.0.0.1", "::1")) -> None:
        named = {peer.strip() for peer in peers} - {""}
        self._is_any = "*" in named
        self._networks = [ip_network(peer, strict=False) for peer in named - {"*"}]

    def include(self, peer: str | None) -> bool:
        """Tell whether ``peer``, an address or None or empty, is one of them."""
        if not peer or self._is_any:
            return True
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def client_of(self, peer: str | None, forwarded_for: str | None) -> str:
        """Return the address that ``X-Forwarded-For`` ends in, if ``peer`` is one of them.

        Otherwise return ``peer``: an address that the client can choose limits no one,
        and says nothing in a log.
        """
        named = (forwarded_for or "").rpartition(",")[2].strip()
        if with_port := _WITH_PORT.fullmatch(named):
            named = with_port[1] or with_port[2]
        return named if self.include(peer) and _is_address(named) else peer or "-"


def _is_address(text: str) -> bool:
    if not _ADDRESS.fullmatch(text):  # an address may carry a zone, which may be any text
        return False
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
