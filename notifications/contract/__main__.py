"""Writes the files that are made from the events: ``python -m notifications.contract``."""

from notifications.contract.files import main

main()
