"""Cache refreshes: triggers, joined by priority into one event per channel."""
