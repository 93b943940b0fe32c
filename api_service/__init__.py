"""The HTTP face: translate in, call the lifecycle once, translate out."""

VERSION = "0.1.0"
"""The project's version; an image holds no package data to ask for it."""
