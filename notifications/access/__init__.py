"""Who calls: tokens, the keys that verify them, and withdrawn access."""
