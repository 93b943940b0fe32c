"""Google's generators: the model that is chosen for each kind, and the adapter that calls it."""

from datetime import date
from http import HTTPStatus

from shared.adapters.google_models.cards import (
    MODEL_SETTINGS,
    CallStyle,
    ModelCard,
    Surface,
    chosen_card,
)
from shared.domain.brief import DURATIONS_S, Brief
from shared.domain.errors import GenerationUnavailable, WrongSetting
from shared.domain.kind import Kind
from shared.ports.generator import Generator
from shared.settings import GCPBackend, GeminiAPI

GEMINI_API_URL = "https://generativelanguage.googleapis.com"
ASK_TIMEOUT_S = 5
_KEY_REFUSED = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.PAYMENT_REQUIRED,
    HTTPStatus.FORBIDDEN,
}


def chosen_model(
    backend: GCPBackend | GeminiAPI, kind: Kind, *, today: date, may_be_retired: bool = False
) -> ModelCard:
    """Return the card of a kind's model, or raise `WrongSetting` naming the good ones."""
    is_cloud = isinstance(backend, GCPBackend)
    return chosen_card(
        kind,
        backend.model_of(kind),
        surface=Surface.AGENT_PLATFORM if is_cloud else Surface.GEMINI_API,
        today=today,
        may_be_retired=may_be_retired,
    )


def price_usd(backend: GCPBackend | GeminiAPI, kind: Kind, *, today: date) -> float:
    """Return the price of the dearest creation of a kind."""
    card = chosen_model(backend, kind, today=today, may_be_retired=True)
    duration_s = max(DURATIONS_S) if kind is Kind.VIDEO else None
    return card.cost_usd(Brief.of(kind, prompt="any", duration_s=duration_s))


def check_models(backend: GCPBackend | GeminiAPI, *, makes: Kind | None, today: date) -> None:
    """Check the model of the kind that is made, or that all are known where none is.

    Raises:
        WrongSetting: the good ones are named.
    """
    for kind in Kind if makes is None else [makes]:
        chosen_model(backend, kind, today=today, may_be_retired=makes is None)


def google_generator(backend: GCPBackend | GeminiAPI, kind: Kind, *, today: date) -> Generator:
    """Return the adapter of the kind's model, or raise `WrongSetting` if it may not be used."""
    from google.oauth2.credentials import Credentials

    from shared.adapters.google_models.client import STORAGE_URL, ApiKey, CloudProject, Connection
    from shared.adapters.google_models.image_generator import GeminiImageGenerator
    from shared.adapters.google_models.omni_generator import OmniVideoGenerator
    from shared.adapters.google_models.veo_generator import VeoVideoGenerator

    card = chosen_model(backend, kind, today=today)
    if isinstance(backend, GeminiAPI):
        connection = Connection(access=ApiKey(backend.api_key), base_url=backend.endpoint)
    else:
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


def ask_for_model(gemini: GeminiAPI, kind: Kind) -> None:
    """Ask the developer API for the description of a kind's model, which costs nothing.

    Raises:
        WrongSetting: the key is refused, or it does not reach this model.
        GenerationUnavailable: there is no answer, or none that tells.
    """
    import httpx

    model, url = gemini.model_of(kind), gemini.endpoint or GEMINI_API_URL
    try:
        answer = httpx.get(
            f"{url}/v1/models/{model}",
            headers={"x-goog-api-key": gemini.api_key},
            timeout=ASK_TIMEOUT_S,
            trust_env=False,  # the generators use no proxy either
        )
    except httpx.HTTPError as error:
        reason = f"{url} cannot be reached ({type(error).__name__})"
        raise GenerationUnavailable(reason=reason) from error
    if answer.status_code == HTTPStatus.NOT_FOUND:
        reason = f"Google does not serve {model} to this key"
        raise WrongSetting(setting=MODEL_SETTINGS[kind], reason=reason)
    if answer.status_code in _KEY_REFUSED:
        reason = f"Google refuses this key ({answer.status_code})"
        raise WrongSetting(setting="GEMINI_API_KEY", reason=reason)
    if not answer.is_success:
        raise GenerationUnavailable(reason=f"{url} answers {answer.status_code}")
