"""Who somebody is: tokens, keys and revocations."""
