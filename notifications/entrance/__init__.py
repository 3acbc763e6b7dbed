"""The way in over HTTP: who is let in to a stream, and what is answered otherwise."""
