"""Searches of a user's own creations: which ones match."""

import unicodedata
from dataclasses import dataclass

from shared.domain.brief import checked_text
from shared.domain.creation import Creation
from shared.domain.errors import WrongField
from shared.domain.kind import Kind
from shared.domain.status import Status

SEARCH_LENGTH_MAX = 200
ACCEPTED_SEARCH = (
    f"use 1 to {SEARCH_LENGTH_MAX} characters, not only spaces, and no control characters"
)


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a creation must be and contain; without a field, or words, any creation matches."""

    words: tuple[str, ...] = ()
    """Folded."""
    status: Status | None = None
    kind: Kind | None = None

    @property
    def matches_everything(self) -> bool:
        return self == Search()

    def matches(self, creation: Creation) -> bool:
        """Return whether each word occurs in the prompt or the caption, and the rest is equal."""
        if self.status not in (None, creation.status) or self.kind not in (None, creation.kind):
            return False
        text = f"{folded(creation.prompt)}\n{folded(creation.caption or '')}"
        return all(word in text for word in self.words)


def searched_words(text: str) -> tuple[str, ...]:
    """Return the folded words of a search, or raise `WrongField` naming `q`."""
    try:
        checked = checked_text(text, field="q", length_max=SEARCH_LENGTH_MAX)
    except WrongField as fault:
        raise WrongField(field="q", reason=ACCEPTED_SEARCH) from fault
    return tuple(folded(checked).split())


def folded(text: str) -> str:
    """Return a text without differences of case and compatibility; accents stay."""
    compatible = unicodedata.normalize("NFKC", text)
    return unicodedata.normalize("NFKC", compatible.casefold())
