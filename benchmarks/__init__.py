"""Our notification service beside its peers: one load generator, one run, one table."""
