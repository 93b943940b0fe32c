"""The kinds of creations."""

from enum import StrEnum


class Kind(StrEnum):
    """What a creation is; `type` and `mediaType` on the wire."""

    IMAGE = "image"
    VIDEO = "video"
