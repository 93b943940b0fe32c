"""Settings: read from the environment and checked before anything starts."""

from shared.settings.gemini import GEMINI_API_MODELS, GeminiAPI
from shared.settings.settings import (
    DEFAULT_DATA,
    DEFAULT_PORT,
    GCP_MODELS,
    POLICY_SETTINGS,
    SETTINGS,
    GCPBackend,
    LocalBackend,
    Settings,
    load,
)

__all__ = [
    "DEFAULT_DATA",
    "DEFAULT_PORT",
    "GCP_MODELS",
    "GEMINI_API_MODELS",
    "POLICY_SETTINGS",
    "SETTINGS",
    "GCPBackend",
    "GeminiAPI",
    "LocalBackend",
    "Settings",
    "load",
]
