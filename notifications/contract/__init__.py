"""The documents that describe the events: JSON Schemas and AsyncAPI."""
