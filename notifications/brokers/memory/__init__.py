"""The broker of one process: histories and fan-out in its memory."""
