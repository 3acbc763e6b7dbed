"""One serving process: settings, gunicorn, what runs beside the requests, logs and metrics."""
