"""Check free of charge that an API key gives access to a model of the developer API."""

from http import HTTPStatus

import httpx

from shared.adapters.google_models.cards import MODEL_SETTINGS
from shared.domain.errors import GenerationUnavailable, WrongSetting
from shared.domain.kind import Kind

GEMINI_API_URL = "https://generativelanguage.googleapis.com"
TIMEOUT_S = 5
_KEY_REFUSED = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.PAYMENT_REQUIRED,
    HTTPStatus.FORBIDDEN,
}


def check_access(kind: Kind, *, model: str, api_key: str, endpoint: str | None) -> None:
    """Fetch the description of a kind's model.

    Raises:
        WrongSetting: the key is refused, or it does not give access to this model.
        GenerationUnavailable: the API is unreachable or returned an unexpected status.
    """
    url = endpoint or GEMINI_API_URL
    headers = {"x-goog-api-key": api_key}
    try:
        response = httpx.get(
            f"{url}/v1/models/{model}",
            headers=headers,
            timeout=TIMEOUT_S,
            trust_env=False,  # the generators use no proxy either
        )
    except httpx.HTTPError as error:
        reason = f"{url} cannot be reached ({type(error).__name__})"
        raise GenerationUnavailable(reason=reason) from error
    status = response.status_code
    if status == HTTPStatus.NOT_FOUND:
        reason = f"Google does not serve {model} to this key"
        raise WrongSetting(setting=MODEL_SETTINGS[kind], reason=reason)
    if status in _KEY_REFUSED:
        raise WrongSetting(setting="GEMINI_API_KEY", reason=f"Google refuses this key ({status})")
    if not response.is_success:
        raise GenerationUnavailable(reason=f"{url} returned {status}")
