"""Which peers we trust to name the client's address: our own proxies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}")

#: Some proxies add the port, which differs with each connection.
_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f.:]+)\]|([0-9.]+))(?::[0-9]{1,5})?")


class TrustedPeers:
    """Addresses and networks, in the format of gunicorn's ``forwarded_allow_ips``.

    ``*`` is any peer. A peer without an address came through a Unix socket; it is
    trusted, as gunicorn does.

    Raises:
        ValueError: an entry is neither an address nor a network.
    """

    def __init__(self, peers: Iterable[str] = ("127.0.0.1", "::1")) -> None:
        named = {peer.strip() for peer in peers} - {""}
        self._is_any = "*" in named
        self._networks = [ip_network(peer, strict=False) for peer in named - {"*"}]

    def include(self, peer: str | None) -> bool:
        """Return whether ``peer``, an address or empty or None, is trusted."""
        if not peer or self._is_any:
            return True
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def client_of(self, peer: str | None, forwarded_for: str | None) -> str:
        """Return the last address in ``X-Forwarded-For`` if ``peer`` is trusted.

        Otherwise return ``peer``: if clients could choose their address, limits by address
        would not hold, and logs would be wrong.
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
