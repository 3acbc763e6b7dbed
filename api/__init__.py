"""What the whole of HTTP promises: the OpenAPI document of all that is served.

Above ``notifications`` and ``waiter_service``, which know nothing of it::

    openapi -> streams, health -> notifications, waiter_service
"""
