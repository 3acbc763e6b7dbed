"""Brokers: where events wait and travel; :mod:`.base` is the contract."""
