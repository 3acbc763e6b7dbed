"""Committed changes on their way to the signals."""
