"""What may change on the floor, and how: each in one transaction."""
