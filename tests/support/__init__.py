"""What the tests stand on: real servers, a strict client, and waiting with a deadline."""
