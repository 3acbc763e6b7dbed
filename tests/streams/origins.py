"""The front end that the shared server knows."""

LISTED = "https://app.example.com"
