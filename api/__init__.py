"""The REST API: what it says and does over HTTP, and the OpenAPI document that describes it.

::

    blueprint -> operation -> floor_api, joining -> bodies, resources -> fields
              -> access, failures, retries
              -> openapi/

Not imported by ``waiter_service``: a script that changes a status needs no Flask.
"""
