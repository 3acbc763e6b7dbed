"""A shortcut to a stream: answer at the connection, before gunicorn parses a request.

Most of the CPU that a connecting client costs goes into gunicorn's request, the WSGI
environment and Flask, and after an outage all that clients do is connect. So the worker
shows each new connection to the door first. The door answers a plain request for a
stream on its socket: it hands the stream over, or refuses it in-band. It leaves
everything else, and every refusal with a status, to gunicorn and the blueprint.

Nothing depends on the door: without it (``SSE_FAST_CONNECT=0``) every stream comes
through the blueprint. ``docs/decisions/0006-a-short-way-to-a-stream.md`` has the figures.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import closing, suppress
from typing import Any

from notifications.entrance import request_id
from notifications.entrance.entrance import StreamEntrance
from notifications.entrance.plain_request import PlainRequest, response_head
from notifications.errors import AccessError, StreamRefused
from notifications.events.encoding import Frame
from notifications.streams.body import Handover
from notifications.streams.socket_outlet import LAST_CHUNK


class StreamDoor:
    """Answers plain requests for streams on their sockets."""

    def __init__(self, entrance: StreamEntrance) -> None:
        self._entrance = entrance

    def answer(self, sock: socket.socket, address: Any) -> bool:
        """Serve the new connection ``sock`` if it begins with a plain request for a stream.

        Return whether the connection was served. If not, gunicorn can still read the whole
        request. Switches greenlets, and waits for the client's first bytes as long as the
        socket's timeout says.
        """
        if isinstance(sock, ssl.SSLSocket):
            return False
        try:
            request = PlainRequest.peek(sock, address, self._entrance)
        except OSError:
            return True  # it is silent, or gone
        if request is None:
            return False
        request_id.begin(request.asked.request_id)
        try:
            body = self._entrance.open(request.asked, Handover(sock, is_chunked=True))
        except AccessError:
            return False
        except StreamRefused as refusal:
            return request.refuse(sock, refusal)
        # The body notices when the client is gone or does not read.
        with closing(body), suppress(OSError):
            request.take(sock)
            start = response_head()
            for block in body:
                sock.sendall(start + Frame(block).chunk)
                start = b""
            if not body.is_handed_over:
                # The stream was closed before it was live, and its client has been told.
                sock.sendall(LAST_CHUNK)
        return True
