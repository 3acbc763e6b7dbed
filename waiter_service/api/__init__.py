"""What the REST API says and does, without HTTP: ``blueprint.py`` puts it under /api.

::

    blueprint -> operations -> floor_api -> bodies, resources -> fields
              -> openapi, problem_models (its part of the document, see api/)
              -> failures, retries

Not imported by ``waiter_service`` itself: a script that changes a status
needs no Flask.
"""
