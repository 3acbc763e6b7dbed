"""The settings: read from the environment once, checked at the start."""

from runtime.settings.settings import Settings, SettingsError, require_redis_for

__all__ = ["Settings", "SettingsError", "require_redis_for"]
