"""Open event streams: one stream, all streams of a process, and how bytes are written to them."""
