"""Model cards: selection, error messages and retirement of models."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from shared.adapters.google_models.cards import (
    CallStyle,
    ModelCard,
    Surface,
    chosen_card,
    known_cards,
    retiring_soon,
    usable_cards,
)
from shared.domain.brief import ASPECT_RATIOS
from shared.domain.errors import WrongSetting
from shared.domain.kind import Kind
from shared.settings.backends import GCP_MODELS, GEMINI_API_MODELS
from tests.support.builders import a_brief

TODAY = date(2026, 11, 21)
CLOUD = Surface.AGENT_PLATFORM
VIDEO = ModelCard(
    model="new-model",
    kind=Kind.VIDEO,
    surface=CLOUD,
    call_style=CallStyle.INTERACTIONS,
    aspect_ratios=("16:9", "9:16"),
    durations_s=(4, 6, 8),
    price_usd=0.1,
)
OTHER = replace(VIDEO, model="other-model")


@pytest.mark.parametrize(
    ("kind", "surface"), [(kind, surface) for kind in Kind for surface in Surface]
)
def test_each_surface_has_models_for_each_kind(kind: Kind, surface: Surface) -> None:
    assert len(usable_cards(kind, surface=surface, today=TODAY)) >= 2


@pytest.mark.parametrize("card", known_cards(), ids=lambda card: f"{card.model}-{card.surface}")
def test_card_is_complete(card: ModelCard) -> None:
    [same] = [each for each in known_cards() if each == card]
    alike = [
        each for each in known_cards() if (each.model, each.surface) == (card.model, card.surface)
    ]
    fallbacks = [
        each
        for each in known_cards()
        if (each.model, each.kind, each.surface) == (card.fallback, card.kind, card.surface)
    ]

    assert alike == [same]
    assert card.price_usd > 0
    assert (card.location is None) is (card.surface is Surface.GEMINI_API)
    assert len(fallbacks) == 1
    assert fallbacks[0].retires_at is None
    assert card.supports_all_options


def test_a_new_model_needs_a_card_and_nothing_else() -> None:
    assert chosen_card(Kind.VIDEO, "new-model", surface=CLOUD, today=TODAY, cards=[VIDEO]) == VIDEO


@pytest.mark.parametrize(
    ("card", "why"),
    [
        (replace(VIDEO, model="another"), "is unknown"),
        (replace(VIDEO, kind=Kind.IMAGE), "is unknown"),
        (replace(VIDEO, surface=Surface.GEMINI_API), "is unknown"),
        (replace(VIDEO, retires_at=TODAY), "retired on 2026-11-21"),
        (replace(VIDEO, durations_s=(5, 10)), "does not support every format and duration"),
        (replace(VIDEO, aspect_ratios=("16:9",)), "does not support every format and duration"),
    ],
)
def test_unusable_model_is_named_with_the_usable_ones(card: ModelCard, why: str) -> None:
    cards = [card, OTHER, replace(OTHER, model="third-model")]

    with pytest.raises(WrongSetting) as raised:
        chosen_card(Kind.VIDEO, "new-model", surface=CLOUD, today=TODAY, cards=cards)

    others = [
        each.model for each in usable_cards(Kind.VIDEO, surface=CLOUD, today=TODAY, cards=cards)
    ]
    expected = f"PHOENIX_VIDEO_MODEL: new-model {why}; use one of: {', '.join(others)}"
    assert str(raised.value) == expected
    assert "third-model" in expected


def test_image_model_has_its_own_setting() -> None:
    with pytest.raises(WrongSetting) as raised:
        chosen_card(Kind.IMAGE, "imagen-4.0-generate-001", surface=CLOUD, today=TODAY)

    assert raised.value.setting == "PHOENIX_IMAGE_MODEL"
    assert "gemini-3.1-flash-image" in raised.value.reason


def test_model_can_be_chosen_until_the_day_before_it_retires() -> None:
    card = replace(VIDEO, retires_at=TODAY + timedelta(days=1))

    assert usable_cards(Kind.VIDEO, surface=CLOUD, today=TODAY, cards=[card]) == [card]


def test_retirement_is_announced_sixty_days_ahead() -> None:
    soon = replace(VIDEO, retires_at=TODAY + timedelta(days=60))
    later = replace(VIDEO, retires_at=TODAY + timedelta(days=61))

    assert retiring_soon([VIDEO, soon, later], today=TODAY) == [soon]


def test_price_is_by_image_and_by_second() -> None:
    image = replace(VIDEO, kind=Kind.IMAGE, price_usd=0.067)

    assert VIDEO.cost_usd(a_brief(Kind.VIDEO, duration_s=6)) == pytest.approx(0.6)
    assert image.cost_usd(a_brief(Kind.IMAGE)) == 0.067


@pytest.mark.parametrize("surface", Surface)
@pytest.mark.parametrize("model", ["gemini-nano-banana-2.1", "gemini-3.1-flash-lite-image"])
def test_the_cheap_image_models_are_known_on_both_surfaces(model: str, surface: Surface) -> None:
    card = chosen_card(Kind.IMAGE, model, surface=surface, today=TODAY)

    assert card.price_usd == 0.0336


def test_model_can_retire_on_one_surface_only() -> None:
    model, last = "gemini-3.1-flash-image", date(2026, 10, 28)

    assert chosen_card(Kind.IMAGE, model, surface=CLOUD, today=TODAY).retires_at is None
    assert chosen_card(Kind.IMAGE, model, surface=Surface.GEMINI_API, today=last)
    with pytest.raises(WrongSetting, match="retired on 2026-10-29; use one of: gemini-nano"):
        chosen_card(Kind.IMAGE, model, surface=Surface.GEMINI_API, today=last + timedelta(days=1))


@pytest.mark.parametrize(
    ("surface", "models"), [(CLOUD, GCP_MODELS), (Surface.GEMINI_API, GEMINI_API_MODELS)]
)
@pytest.mark.parametrize("kind", Kind)
def test_the_default_model_is_the_one_to_recommend(
    kind: Kind, surface: Surface, models: dict[Kind, str]
) -> None:
    assert usable_cards(kind, surface=surface, today=TODAY)[0].model == models[kind]


def test_unknown_field_of_a_card_is_refused() -> None:
    entry = {
        "model": "m",
        "kind": "image",
        "surface": "agent-platform",
        "call_style": "generate_content",
        "aspect_ratios": list(ASPECT_RATIOS[Kind.IMAGE]),
        "price_usd": 0.1,
    }

    assert ModelCard.of(entry).supports_all_options
    with pytest.raises(TypeError):
        ModelCard.of({**entry, "colour": "red"})
    with pytest.raises(ValueError, match="telepathy"):
        ModelCard.of({**entry, "call_style": "telepathy"})
