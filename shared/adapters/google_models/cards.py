"""What is known of each model: where it is, what it can do, what it costs and when it ends.

A new model of a known call style needs a card in `cards.toml` and no code.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from shared.domain.brief import ASPECT_RATIOS, DURATIONS_S, Brief
from shared.domain.errors import WrongSetting
from shared.domain.kind import Kind

MODEL_SETTINGS = {Kind.VIDEO: "PHOENIX_VIDEO_MODEL", Kind.IMAGE: "PHOENIX_IMAGE_MODEL"}
RETIREMENT_NOTICE_DAYS = 60


class Surface(StrEnum):
    """The two ways to Google's models."""

    AGENT_PLATFORM = "agent-platform"
    GEMINI_API = "gemini-api"


class CallStyle(StrEnum):
    """How a model is called: one adapter for each."""

    GENERATE_CONTENT = "generate_content"
    INTERACTIONS = "interactions"
    GENERATE_VIDEOS = "generate_videos"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """One model on one surface; `price_usd` is for one image or one second of video."""

    model: str
    kind: Kind
    surface: Surface
    call_style: CallStyle
    aspect_ratios: tuple[str, ...]
    price_usd: float
    durations_s: tuple[int, ...] = ()
    location: str | None = None
    api_version: str | None = None
    retires_at: date | None = None
    fallback: str | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "ModelCard":
        """Return the card that one entry of the file describes."""
        made = {
            "kind": Kind(entry["kind"]),
            "surface": Surface(entry["surface"]),
            "call_style": CallStyle(entry["call_style"]),
            "aspect_ratios": tuple(entry["aspect_ratios"]),
            "durations_s": tuple(entry.get("durations_s", ())),
        }
        return cls(**{**entry, **made})

    def cost_usd(self, brief: Brief) -> float:
        """Return the estimated price of one start."""
        return self.price_usd * (1 if brief.duration_s is None else brief.duration_s)

    def retires_by(self, day: date) -> bool:
        """Tell whether the model may be gone on this day."""
        return self.retires_at is not None and self.retires_at <= day

    @property
    def makes_all_that_is_sold(self) -> bool:
        """Tell whether the model makes every format and duration that a brief may ask for."""
        durations_s = DURATIONS_S if self.kind is Kind.VIDEO else ()
        return {*ASPECT_RATIOS[self.kind]} <= {*self.aspect_ratios} and {*durations_s} <= {
            *self.durations_s
        }


@cache
def known_cards() -> tuple[ModelCard, ...]:
    """Return the cards of `cards.toml`, in its order."""
    path = Path(__file__).with_name("cards.toml")
    return tuple(ModelCard.of(entry) for entry in tomllib.loads(path.read_text())["card"])


def good_cards(
    kind: Kind, *, surface: Surface, today: date, cards: Iterable[ModelCard] | None = None
) -> list[ModelCard]:
    """Return the cards that may be chosen, the recommended one first."""
    return [
        card
        for card in (known_cards() if cards is None else cards)
        if (card.kind, card.surface) == (kind, surface)
        and card.makes_all_that_is_sold
        and not card.retires_by(today)
    ]


def chosen_card(
    kind: Kind,
    model: str,
    *,
    surface: Surface,
    today: date,
    may_be_retired: bool = False,
    cards: Iterable[ModelCard] | None = None,
) -> ModelCard:
    """Return the card of a model that makes all that is sold, today or until it retired.

    Raises:
        WrongSetting: there is none; the good ones are named.
    """
    cards = known_cards() if cards is None else tuple(cards)
    why = "is unknown"
    for card in cards:
        if (card.kind, card.surface, card.model) == (kind, surface, model):
            if not card.makes_all_that_is_sold:
                why = "cannot make all that is sold"
            elif card.retires_by(today) and not may_be_retired:
                why = f"retired on {card.retires_at}"
            else:
                return card
    good = good_cards(kind, surface=surface, today=today, cards=cards)
    choice = ", ".join(card.model for card in good)
    raise WrongSetting(setting=MODEL_SETTINGS[kind], reason=f"{model} {why}; use one of: {choice}")


def retiring_soon(chosen: Iterable[ModelCard], *, today: date) -> list[ModelCard]:
    """Return the cards whose model may be gone within 60 days."""
    by = today + timedelta(days=RETIREMENT_NOTICE_DAYS)
    return [card for card in chosen if card.retires_by(by)]
