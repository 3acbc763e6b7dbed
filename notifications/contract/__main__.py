"""Write the documents of the events: ``python -m notifications.contract``."""

from notifications.contract.asyncapi import main

main()
