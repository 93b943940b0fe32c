"""Model cards: location, options, price and retirement of each model, from `cards.toml`."""

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
    AGENT_PLATFORM = "agent-platform"
    GEMINI_API = "gemini-api"


class CallStyle(StrEnum):
    """The API method of a model; one adapter for each."""

    GENERATE_CONTENT = "generate_content"
    INTERACTIONS = "interactions"
    GENERATE_VIDEOS = "generate_videos"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """One model on one surface; `price_usd` is per image or per second of video."""

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
        parsed = {
            "kind": Kind(entry["kind"]),
            "surface": Surface(entry["surface"]),
            "call_style": CallStyle(entry["call_style"]),
            "aspect_ratios": tuple(entry["aspect_ratios"]),
            "durations_s": tuple(entry.get("durations_s", ())),
        }
        return cls(**{**entry, **parsed})

    def cost_usd(self, brief: Brief) -> float:
        return self.price_usd * (1 if brief.duration_s is None else brief.duration_s)

    def retires_by(self, day: date) -> bool:
        return self.retires_at is not None and self.retires_at <= day

    @property
    def supports_all_options(self) -> bool:
        """Whether it supports every format and duration of a brief."""
        durations_s = DURATIONS_S if self.kind is Kind.VIDEO else ()
        offered = {*self.aspect_ratios, *self.durations_s}
        return offered.issuperset([*ASPECT_RATIOS[self.kind], *durations_s])


@cache
def known_cards() -> tuple[ModelCard, ...]:
    families = tomllib.loads(Path(__file__).with_name("cards.toml").read_text())["family"]
    return tuple(ModelCard.of(family | card) for family in families for card in family.pop("cards"))


def usable_cards(
    kind: Kind, *, surface: Surface, today: date, cards: Iterable[ModelCard] | None = None
) -> list[ModelCard]:
    """Return the cards that may be configured, the recommended one first."""
    return [
        card
        for card in (known_cards() if cards is None else cards)
        if (card.kind, card.surface) == (kind, surface)
        and card.supports_all_options
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
    """Return a configured model's card, or raise `WrongSetting` with the usable ones."""
    cards = known_cards() if cards is None else tuple(cards)
    why = "is unknown"
    for card in cards:
        if (card.kind, card.surface, card.model) == (kind, surface, model):
            if not card.supports_all_options:
                why = "does not support every format and duration"
            elif card.retires_by(today) and not may_be_retired:
                why = f"retired on {card.retires_at}"
            else:
                return card
    usable = usable_cards(kind, surface=surface, today=today, cards=cards)
    choice = ", ".join(card.model for card in usable)
    raise WrongSetting(setting=MODEL_SETTINGS[kind], reason=f"{model} {why}; use one of: {choice}")


def retiring_soon(chosen: Iterable[ModelCard], *, today: date) -> list[ModelCard]:
    """Return the cards of models that may retire within 60 days."""
    by = today + timedelta(days=RETIREMENT_NOTICE_DAYS)
    return [card for card in chosen if card.retires_by(by)]
