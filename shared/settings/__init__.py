"""Settings: read from the environment and checked before anything starts."""

from shared.settings.backends import DEFAULT_DATA, GCPBackend, GeminiAPI, LocalBackend
from shared.settings.settings import DEFAULT_PORT, POLICY_SETTINGS, SETTINGS, Settings, load

__all__ = [
    "DEFAULT_DATA",
    "DEFAULT_PORT",
    "POLICY_SETTINGS",
    "SETTINGS",
    "GCPBackend",
    "GeminiAPI",
    "LocalBackend",
    "Settings",
    "load",
]
