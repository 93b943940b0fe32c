"""The brief: what a user requests, checked and with its defaults filled in."""

import hashlib
import json
import re
import unicodedata
from base64 import b32encode
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import TypeVar

from shared.domain.errors import WrongField
from shared.domain.keys import CreationId, UserId
from shared.domain.kind import Kind

PROMPT_LENGTH_MAX = 2000
CAPTION_LENGTH_MAX = 500
CREATION_ID_LENGTH = 26
CREATION_ID = re.compile(r"[a-z2-7]{26}")
IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,200}")
DURATIONS_S = (4, 6, 8)
DURATION_DEFAULT_S = 8
ORIENTATIONS = {"landscape": "16:9", "portrait": "9:16"}
BIDI_CONTROLS = "\u202a-\u202e\u2066-\u2069"
"""Embeddings, overrides and isolates of the writing direction, as ranges of a regular expression.

Text pasted from a page in a right-to-left language contains them; they can also disguise a
text as another one. The marks U+200E, U+200F and U+061C cannot, and stay.
"""
_BIDI_CONTROLS = re.compile(f"[{BIDI_CONTROLS}]")
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
COUNT_MAX = 4
"""How many variations one request may open."""
ACCEPTED_COUNT = f"use a whole number from 1 to {COUNT_MAX}"
ACCEPTED_DURATION = "use 4, 6 or 8 seconds"
ACCEPTED_ORIENTATION = "use landscape or portrait"
_IN_EVERY_FINGERPRINT = ("kind", "prompt", "aspect_ratio", "duration_s")

ValueT = TypeVar("ValueT")


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
    """A creation's parameters for a generator. `duration_s` is None for an image.

    `count` is how many variations are opened together; the brief of each one of them has 1.
    """

    kind: Kind
    prompt: str
    aspect_ratio: AspectRatio
    duration_s: int | None
    count: int = 1

    @classmethod
    def of(
        cls, kind: Kind, *, prompt: str, aspect_ratio: str | None = None,
        orientation: str | None = None, duration_s: int | None = None, count: int | None = None,
    ) -> "Brief":  # fmt: skip
        """Fill in the defaults, or raise `WrongField` with the fields named as on the wire."""
        faults = Faults()
        checked_prompt = faults.collect(
            lambda: checked_text(prompt, field="prompt", length_max=PROMPT_LENGTH_MAX)
        )
        ratio = faults.collect(lambda: _aspect_ratio(kind, aspect_ratio, orientation))
        duration = faults.collect(lambda: _duration_s(kind, duration_s))
        checked_count = faults.collect(lambda: _count(kind, count))
        faults.raise_if_any()
        return cls(
            kind=kind,
            prompt=checked_prompt or "",
            aspect_ratio=ratio or ASPECT_RATIO_DEFAULT[kind],
            duration_s=duration,
            count=checked_count or 1,
        )

    @property
    def fingerprint(self) -> str:
        """Return a sha256 in hex that is equal for equal briefs.

        It is stored with each creation, so it must stay the same across releases: a field that is added
        later takes part only when its value is not its default.
        """
        values: list[object] = [getattr(self, name) for name in _IN_EVERY_FINGERPRINT]
        later = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.name not in _IN_EVERY_FINGERPRINT
            and (each.default is MISSING or getattr(self, each.name) != each.default)
        }
        if later:
            values.append(later)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


class Faults:
    """Collects every wrong field of one request; `raise_if_any` raises the first with the others."""

    def __init__(self) -> None:
        self.found: list[WrongField] = []

    def collect(self, check: Callable[[], ValueT]) -> ValueT | None:
        try:
            return check()
        except WrongField as fault:
            self.add(fault)
            return None

    def add(self, fault: WrongField) -> None:
        self.found += [fault, *fault.others]

    def raise_if_any(self) -> None:
        if self.found:
            first, *others = self.found
            raise WrongField(field=first.field, reason=first.reason, others=tuple(others))


def _duration_s(kind: Kind, duration_s: int | None) -> int | None:
    if kind is Kind.IMAGE:
        if duration_s is not None:
            raise WrongField(field="duration", reason="an image has none")
        return None
    if duration_s is None:
        return DURATION_DEFAULT_S
    if duration_s not in DURATIONS_S:
        raise WrongField(field="duration", reason=ACCEPTED_DURATION)
    return duration_s


def _count(kind: Kind, count: int | None) -> int:
    if count is None:
        return 1
    if kind is not Kind.IMAGE:
        raise WrongField(field="count", reason=f"a {kind} has none")
    if not 1 <= count <= COUNT_MAX:
        raise WrongField(field="count", reason=ACCEPTED_COUNT)
    return count


def _aspect_ratio(kind: Kind, aspect_ratio: str | None, orientation: str | None) -> AspectRatio:
    faults = Faults()
    given = faults.collect(lambda: _given_ratio(kind, aspect_ratio))
    oriented = faults.collect(lambda: _oriented_ratio(kind, orientation))
    faults.raise_if_any()
    if given and oriented and given != oriented:
        raise WrongField(field="aspectRatio", reason="it contradicts the orientation")
    return given or oriented or ASPECT_RATIO_DEFAULT[kind]


def _given_ratio(kind: Kind, aspect_ratio: str | None) -> AspectRatio | None:
    if aspect_ratio is None:
        return None
    allowed = ASPECT_RATIOS[kind]
    if aspect_ratio not in allowed:
        raise WrongField(field="aspectRatio", reason=f"use one of {', '.join(allowed)}")
    return AspectRatio(aspect_ratio)


def _oriented_ratio(kind: Kind, orientation: str | None) -> AspectRatio | None:
    if orientation is None:
        return None
    if kind is Kind.IMAGE:
        raise WrongField(field="orientation", reason="an image has none")
    if orientation not in ORIENTATIONS:
        raise WrongField(field="orientation", reason=ACCEPTED_ORIENTATION)
    return AspectRatio(ORIENTATIONS[orientation])


def checked_text(text: str, *, field: str, length_max: int, may_be_blank: bool = False) -> str:
    """Return the text normalised, or raise `WrongField` naming `field`.

    Normalised: without bidi controls, with LF for CRLF, trimmed; normalising it again changes
    nothing. Refused: blank (unless allowed), only invisible characters, more than `length_max` code
    points, and, also at its ends, lone surrogates and control characters other than newline and tab.
    """
    sent, text = text, _BIDI_CONTROLS.sub("", text).replace("\r\n", "\n")
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs" or (category == "Cc" and character not in "\n\t"):
            reason = "it contains a control character or an unpaired surrogate"
            raise WrongField(field=field, reason=reason)
    text = text.strip()
    if not is_visible(text) and (sent.strip() or not may_be_blank):
        raise WrongField(field=field, reason="it is blank")
    if len(text) > length_max:
        raise WrongField(field=field, reason=f"it is longer than {length_max} characters")
    return text


def is_visible(text: str) -> bool:
    """Return whether it has a character that is neither a space nor a control or format one."""
    return any(unicodedata.category(each) not in _INVISIBLE for each in text)


def creation_id_for(user_id: UserId, idempotency_key: str, number: int = 1) -> CreationId:
    """Return the id of the key's creation, or of its `number`-th variation: base32 of a sha256."""
    variation = f"\0{number}" if number > 1 else ""  # no key contains a NUL
    digest = hashlib.sha256(f"{user_id}\0{idempotency_key}{variation}".encode()).digest()
    return CreationId(b32encode(digest).decode().lower()[:CREATION_ID_LENGTH])
