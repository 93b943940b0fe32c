"""Google's generators: the model that is chosen for each kind, and the adapter that calls it."""

from datetime import date

from shared.domain.brief import DURATIONS_S, Brief
from shared.domain.policy import Kind
from shared.model_cards import CallStyle, ModelCard, Surface, chosen_card
from shared.ports.generator import Generator
from shared.settings import GCPBackend


def chosen_model(
    backend: GCPBackend, kind: Kind, *, today: date, may_be_retired: bool = False
) -> ModelCard:
    """Return the card of a kind's model, or raise `WrongSetting` naming the good ones."""
    return chosen_card(
        kind,
        backend.model_of(kind),
        surface=Surface.AGENT_PLATFORM,
        today=today,
        may_be_retired=may_be_retired,
    )


def price_usd(backend: GCPBackend, kind: Kind, *, today: date) -> float:
    """Return the price of the dearest creation of a kind."""
    card = chosen_model(backend, kind, today=today, may_be_retired=True)
    duration_s = max(DURATIONS_S) if kind is Kind.VIDEO else None
    return card.cost_usd(Brief.of(kind, prompt="any", duration_s=duration_s))


def check_models(backend: GCPBackend, *, makes: Kind | None, today: date) -> None:
    """Check the model of the kind that is made, or that all are known where none is.

    Raises:
        WrongSetting: the good ones are named.
    """
    for kind in Kind if makes is None else [makes]:
        chosen_model(backend, kind, today=today, may_be_retired=makes is None)


def google_generator(backend: GCPBackend, kind: Kind, *, today: date) -> Generator:
    """Return the adapter of the kind's model, or raise `WrongSetting` if it may not be used."""
    from google.oauth2.credentials import Credentials

    from shared.adapters.gemini_image_generator import GeminiImageGenerator
    from shared.adapters.genai_client import STORAGE_URL, CloudProject, Connection
    from shared.adapters.omni_video_generator import OmniVideoGenerator
    from shared.adapters.veo_video_generator import VeoVideoGenerator

    card = chosen_model(backend, kind, today=today)
    endpoint = backend.endpoints.generator
    connection = Connection(
        access=CloudProject(
            backend.project,
            bucket=backend.generator_bucket,
            credentials=Credentials("none") if endpoint else None,  # type: ignore[no-untyped-call]  # it ships no types
        ),
        base_url=endpoint,
        storage_url=endpoint or STORAGE_URL,
    )
    match card.call_style:
        case CallStyle.GENERATE_CONTENT:
            return GeminiImageGenerator(card, connection)
        case CallStyle.INTERACTIONS:
            return OmniVideoGenerator(card, connection)
        case CallStyle.GENERATE_VIDEOS:
            return VeoVideoGenerator(card, connection)
