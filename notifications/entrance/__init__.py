"""The way in over HTTP: which requests get a stream, and what the others are answered."""
