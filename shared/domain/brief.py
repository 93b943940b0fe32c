"""What a user asks for: the brief, checked and with its defaults filled in."""

import hashlib
import json
import re
import unicodedata
from base64 import b32encode
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.errors import WrongField
from shared.domain.keys import CreationId, UserId
from shared.domain.policy import Kind

PROMPT_LENGTH_MAX = 2000
CAPTION_LENGTH_MAX = 500
CREATION_ID_LENGTH = 26
CREATION_ID = re.compile(r"[a-z2-7]{26}")
IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,200}")
DURATIONS_S = (4, 6, 8)
DURATION_DEFAULT_S = 8
ORIENTATIONS = {"landscape": "16:9", "portrait": "9:16"}
_DIRECTION_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class AspectRatio(StrEnum):
    """Width to height."""

    SQUARE = "1:1"
    PORTRAIT_3_4 = "3:4"
    LANDSCAPE_4_3 = "4:3"
    PORTRAIT = "9:16"
    LANDSCAPE = "16:9"


ASPECT_RATIOS = {
    Kind.IMAGE: tuple(AspectRatio),
    Kind.VIDEO: (AspectRatio.LANDSCAPE, AspectRatio.PORTRAIT),
}
ASPECT_RATIO_DEFAULT = {Kind.IMAGE: AspectRatio.SQUARE, Kind.VIDEO: AspectRatio.LANDSCAPE}


@dataclass(frozen=True, kw_only=True)
class Brief:
    """One creation's order to a generator. `duration_s` is None for an image."""

    kind: Kind
    prompt: str
    aspect_ratio: AspectRatio
    duration_s: int | None

    @classmethod
    def of(
        cls,
        kind: Kind,
        *,
        prompt: str,
        aspect_ratio: str | None = None,
        orientation: str | None = None,
        duration_s: int | None = None,
    ) -> "Brief":
        """Return the brief with its defaults filled in.

        Raises:
            WrongField: a value is not accepted; the field is named as on the wire.
        """
        if kind is Kind.IMAGE:
            for field, value in (("orientation", orientation), ("duration", duration_s)):
                if value is not None:
                    raise WrongField(field=field, reason="an image has none")
        elif duration_s is None:
            duration_s = DURATION_DEFAULT_S
        elif duration_s not in DURATIONS_S:
            raise WrongField(field="duration", reason="use 4, 6 or 8 seconds")
        return cls(
            kind=kind,
            prompt=checked_text(prompt, field="prompt", length_max=PROMPT_LENGTH_MAX),
            aspect_ratio=_aspect_ratio(kind, aspect_ratio, orientation),
            duration_s=duration_s,
        )

    @property
    def fingerprint(self) -> str:
        """Return the sha256, in hex, by which two equal briefs are known."""
        values = [self.kind, self.prompt, self.aspect_ratio, self.duration_s]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _aspect_ratio(kind: Kind, aspect_ratio: str | None, orientation: str | None) -> AspectRatio:
    if orientation is not None:
        if orientation not in ORIENTATIONS:
            raise WrongField(field="orientation", reason="use landscape or portrait")
        if aspect_ratio not in (None, ORIENTATIONS[orientation]):
            raise WrongField(field="aspectRatio", reason="it contradicts the orientation")
        aspect_ratio = ORIENTATIONS[orientation]
    if aspect_ratio is None:
        return ASPECT_RATIO_DEFAULT[kind]
    allowed = ASPECT_RATIOS[kind]
    if aspect_ratio not in allowed:
        raise WrongField(field="aspectRatio", reason=f"use one of {', '.join(allowed)}")
    return AspectRatio(aspect_ratio)


def checked_text(text: str, *, field: str, length_max: int, may_be_blank: bool = False) -> str:
    """Return the text trimmed, or raise `WrongField` naming `field`.

    Refused: blank (unless allowed), more than `length_max` code points, and, also at its ends,
    control characters other than newline and tab, lone surrogates, and characters that override
    the writing direction.
    """
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs" or (category == "Cc" and character not in "\n\t"):
            raise WrongField(field=field, reason="it holds a control character or half a character")
        if character in _DIRECTION_OVERRIDES:
            raise WrongField(field=field, reason="it overrides the writing direction")
    text = text.strip()
    if not text and not may_be_blank:
        raise WrongField(field=field, reason="it is blank")
    if len(text) > length_max:
        raise WrongField(field=field, reason=f"it is longer than {length_max} characters")
    return text


def creation_id_for(user_id: UserId, idempotency_key: str) -> CreationId:
    """Return the one creation id that this user's key can ever make: base32 of a sha256."""
    digest = hashlib.sha256(f"{user_id}\0{idempotency_key}".encode()).digest()
    return CreationId(b32encode(digest).decode().lower()[:CREATION_ID_LENGTH])
