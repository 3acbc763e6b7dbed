"""The origin of the front end that the shared server allows."""

LISTED = "https://app.example.com"
