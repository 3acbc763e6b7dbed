"""Write what follows from the events: ``python -m notifications.contract``."""

from notifications.contract.files import main

main()
