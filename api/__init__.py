"""The REST API: what it says and does over HTTP, and the OpenAPI document that describes it.

::

    blueprint -> operations/ -> resources, snapshots, bodies -> fields
              -> access, retries, problems
              -> openapi/

An operation is a function in ``operations/``, under its method, path and rules; its body
stands beside it. What it answers is in ``resources`` or ``snapshots``. Everything else
follows: the route, the checks before the function is called and the OpenAPI document, whose
copy in ``docs/`` is written by ``python -m api.openapi``.
"""
