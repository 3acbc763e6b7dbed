"""Write ``docs/openapi.json``: ``python -m api.openapi``."""

from api.openapi.document import main

main()
