"""One serving process: gunicorn's master and workers, as this service needs them."""
