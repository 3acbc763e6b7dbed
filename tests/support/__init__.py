"""Helpers of the tests: real servers, a strict client, and waiting with a deadline."""
