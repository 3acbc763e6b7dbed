"""The events that screens receive: one file per event.

An event's file holds its payload with the meaning of each key, its sentence with ``code`` and
``params`` for other languages, its audience, and an example. Schemas, documents, metrics and
the JavaScript module are made from it.

To add an event: write its file beside the others, send it in ``publishing/listener.py``, run
``python -m notifications.contract`` and ``python -m api.openapi``, and run the tests, which name
what is still missing. ``payload`` has the base classes, ``catalogue`` finds the events, and
``encoding`` makes their bytes.
"""
