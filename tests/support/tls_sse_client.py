"""The event-stream client over TLS, with HTTP/1.1 or with HTTP/2 as in browsers."""

from __future__ import annotations

import socket
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events

from tests.support.sse_client import SseClient, SseRefused
from tests.support.sse_parser import SseEvent

_FRAME_HEAD, _GOAWAY = 9, 0x7  # RFC 9113, sections 4.1 and 6.8


class TlsSseClient(SseClient):
    """An ``SseClient`` over TLS, with the client's settings in ``tls``."""

    def __init__(self, url: str, *, tls: ssl.SSLContext, **kwargs: Any) -> None:
        self._tls = tls
        super().__init__(url, **kwargs)

    def next_of_all(self, timeout: float) -> SseEvent | None:
        """Return the next event, heartbeats included; None if there is none in time."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._position < len(self.events) or self._has_ended, timeout
            )
            if self._position < len(self.events):
                self._position += 1
                return self.events[self._position - 1]
        return None

    def _connect(self, timeout: float, receive_buffer_bytes: int | None) -> socket.socket:
        wire = super()._connect(timeout, receive_buffer_bytes)
        try:
            return self._tls.wrap_socket(wire, server_hostname=urlsplit(self.url).hostname)
        except BaseException:
            wire.close()
            raise


class Http2SseClient(TlsSseClient):
    """One stream on its own HTTP/2 connection; ``tls`` must offer ``h2``."""

    def _connect(self, timeout: float, receive_buffer_bytes: int | None) -> socket.socket:
        wire = super()._connect(timeout, receive_buffer_bytes)
        assert isinstance(wire, ssl.SSLSocket)
        assert wire.selected_alpn_protocol() == "h2", "the server does not speak HTTP/2"
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._received: deque[h2.events.Event] = deque()
        self._rest = b""
        self.is_told_to_leave = False
        """The server wants no further streams on this connection."""
        return wire

    def _request(
        self, token: str | None, last_event_id: str | None, headers: Mapping[str, str]
    ) -> bytes:
        parts = urlsplit(self.url)
        fields = {
            ":method": "GET",
            ":scheme": parts.scheme,
            ":authority": parts.netloc,
            ":path": parts.path + (f"?{parts.query}" if parts.query else ""),
            "accept": "text/event-stream",
        }
        if token is not None:
            fields["authorization"] = f"Bearer {token}"
        if last_event_id is not None:
            fields["last-event-id"] = last_event_id
        fields |= {name.lower(): value for name, value in headers.items()}
        self._h2.initiate_connection()
        self._h2.send_headers(self._h2.get_next_available_stream_id(), list(fields.items()), True)
        return self._h2.data_to_send()

    def _read_head(self) -> tuple[int, dict[str, str]]:
        while not isinstance(event := self._next_event(), h2.events.ResponseReceived):
            pass
        headers = {str(name): str(value) for name, value in event.headers or []}
        return int(headers.pop(":status")), headers

    def _check_head(self) -> None:
        if self.status != 200:
            body = b"".join(iter(lambda: self._read_chunk() or b"", b""))
            raise SseRefused(self.status, self.headers, body)
        super()._check_head()

    def _read_chunk(self) -> bytes | None:
        while True:
            match self._next_event():
                case h2.events.DataReceived(data=data) if data:
                    return data
                case h2.events.StreamEnded():
                    return None
                case h2.events.StreamReset(error_code=code):
                    raise ConnectionResetError(f"the stream was reset: {code!r}")

    def _next_event(self) -> h2.events.Event:
        while not self._received:
            data = self._socket.recv(65_536)
            if not data:
                raise ConnectionResetError("the connection ended within the stream")
            self._received.extend(self._h2.receive_data(self._without_goaway(data)))
            for event in self._received:
                if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                    self._h2.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id or 1
                    )
            if answer := self._h2.data_to_send():
                self._socket.sendall(answer)
        return self._received.popleft()

    def _without_goaway(self, data: bytes) -> bytes:
        """Return the complete frames so far, without GOAWAY.

        GOAWAY lets open streams continue to their end (RFC 9113, section 6.8), but h2
        treats it as the end of the connection.
        """
        self._rest += data
        frames = b""
        while len(self._rest) >= _FRAME_HEAD:
            size = _FRAME_HEAD + int.from_bytes(self._rest[:3], "big")
            if len(self._rest) < size:
                break
            frame, self._rest = self._rest[:size], self._rest[size:]
            if frame[3] == _GOAWAY:
                self.is_told_to_leave = True
            else:
                frames += frame
        return frames
