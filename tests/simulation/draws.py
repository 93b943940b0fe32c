"""Chance without a stream: each draw is a hash of the seed and of the place where it is needed.

Removing one fault therefore leaves every other decision as it was, so that a failing history can
be made smaller.
"""

from hashlib import blake2b
from struct import unpack
from typing import NamedTuple

SCALE = 1 / 2**32


class Site(NamedTuple):
    """A place in a history: the nth call of one kind by one actor."""

    actor: str
    kind: str
    nth: int


def draws(seed: int, site: Site) -> tuple[float, float, float, float]:
    """Return four numbers from 0 to 1 that belong to this place."""
    digest = blake2b(f"{seed}|{site.actor}|{site.kind}|{site.nth}".encode(), digest_size=16)
    a, b, c, d = unpack("<IIII", digest.digest())
    return a * SCALE, b * SCALE, c * SCALE, d * SCALE


def draw(seed: int, actor: str, kind: str, nth: int = 0) -> float:
    """Return one number from 0 to 1 that belongs to this place."""
    return draws(seed, Site(actor, kind, nth))[0]
