"""Stateless random numbers: each draw is a hash of the seed and the site that needs it.

Removing one fault therefore leaves every other decision unchanged, so a failing history can shrink.
"""

from hashlib import blake2b
from struct import unpack
from typing import NamedTuple

SCALE = 1 / 2**32


class Site(NamedTuple):
    """The nth call of one kind by one actor."""

    actor: str
    kind: str
    nth: int


def draws(seed: int, site: Site) -> tuple[float, float, float, float]:
    """Return four numbers from 0 to 1 for a site."""
    digest = blake2b(f"{seed}|{site.actor}|{site.kind}|{site.nth}".encode(), digest_size=16)
    a, b, c, d = unpack("<IIII", digest.digest())
    return a * SCALE, b * SCALE, c * SCALE, d * SCALE


def draw(seed: int, actor: str, kind: str, nth: int = 0) -> float:
    """Return one number from 0 to 1 for a site."""
    return draws(seed, Site(actor, kind, nth))[0]
