"""Welcome grants: one for each verified address, and a limited number per day.

The id of the ledger entry is a keyed hash of the address: two users with one address share one id,
and the ledger contains no address. The daily count is split over 16 documents, because
every sign-up would have to write a single one.
"""

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from shared.domain.keys import Collection, Key, UserId

WELCOME_PREFIX = "welcome_"
SHARDS = 16
ACE_PREFIX = "xn--"
GMAIL = "gmail.com"
GMAIL_DOMAINS = frozenset({GMAIL, "googlemail.com"})
"""Google ignores dots in these addresses, and both domains are one mailbox."""


@dataclass(frozen=True, kw_only=True)
class WelcomeShard:
    """How many welcome grants one sixteenth of the users received on its latest day."""

    shard_id: str
    day: str
    """ISO 8601, in UTC."""
    count: int = 0

    @property
    def key(self) -> Key["WelcomeShard"]:
        return Key(Collection.WELCOME_SHARDS, self.shard_id)

    @classmethod
    def of(cls, user_id: UserId, *, at: datetime) -> "WelcomeShard":
        """Return a user's shard with nothing counted yet."""
        digest = hashlib.sha256(user_id.encode()).digest()
        day = at.astimezone(UTC).date().isoformat()
        return cls(shard_id=f"{digest[0] % SHARDS:02}", day=day)

    def counted(self, day: str, *, per_day_max: int) -> "WelcomeShard | None":
        """Return the count with one more grant, or None if the day's share is used up.

        A machine whose clock is behind counts on the later day that another machine began.
        """
        current = replace(self, day=day, count=0) if day > self.day else self
        if current.count >= current._share(per_day_max):
            return None
        return replace(current, count=current.count + 1)

    def _share(self, per_day_max: int) -> int:
        """Return this shard's part of the limit; the remainder of the division rotates daily."""
        share, left = divmod(per_day_max, SHARDS)
        place = (int(self.shard_id) + date.fromisoformat(self.day).toordinal()) % SHARDS
        return share + (1 if place < left else 0)


def welcome_id(contact: str, *, key: bytes) -> str:
    """Return the id of the only welcome grant of a verified address."""
    digest = hmac.new(key, normalised_contact(contact).encode(), hashlib.sha256)
    return WELCOME_PREFIX + digest.hexdigest()


def legacy_welcome_id(user_id: UserId) -> str:
    """Return the id of a welcome grant written by an earlier release."""
    return f"{user_id}_grant_welcome"


def normalised_contact(contact: str) -> str:
    """Return the canonical spelling of an email address, a phone number or a name."""
    text = _folded(contact)
    local, at, domain = text.rpartition("@")
    if not at:
        return _phone(text) if text.startswith("+") else text
    labels = domain.replace("\u3002", ".").rstrip(".").split(".")
    local, domain = local.split("+", 1)[0] or local, ".".join(map(_label, labels))
    if domain in GMAIL_DOMAINS:
        return f"{local.replace('.', '')}@{GMAIL}"
    return f"{local}@{domain}"


def _label(text: str) -> str:
    """Decode a domain's label to Unicode, if it is ASCII-encoded (RFC 3492)."""
    if not text.startswith(ACE_PREFIX):
        return text
    try:
        return _folded(text.removeprefix(ACE_PREFIX).encode("ascii").decode("punycode"))
    except UnicodeError:
        return text


def _folded(text: str) -> str:
    """Return the text in lower case and NFKC; lower case can leave that form again."""
    lower = unicodedata.normalize("NFKC", text).strip().lower()
    return unicodedata.normalize("NFKC", lower)


def _phone(text: str) -> str:
    """Return a phone number in E.164: a plus sign and digits."""
    return "+" + "".join(character for character in text if character.isdecimal())
