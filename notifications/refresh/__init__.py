"""Cache refreshes: triggers, debounced by priority into one event per channel."""
