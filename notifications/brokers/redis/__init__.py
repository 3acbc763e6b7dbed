"""The broker of many processes: histories and fan-out in Redis."""
