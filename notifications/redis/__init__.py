"""The connection to Redis, and the scripts it runs."""
