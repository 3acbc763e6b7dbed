"""The OpenAPI document of everything that is served: the API, the streams and the health checks."""
