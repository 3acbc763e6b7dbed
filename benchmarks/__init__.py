"""Compares our notification service with its peers: one load generator, one run, one table."""
