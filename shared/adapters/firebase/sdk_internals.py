"""Changes to private parts of firebase-admin, which has no public option for them.

* Certificates: the SDK fetches them once per waiting caller, and treats a garbled response as an
  invalid token.
* Account lookup: the SDK sends it up to 5 times, over 7 s or as long as Retry-After says, to a URL
  that only the emulator's variable changes.
"""

from collections.abc import Callable
from typing import Any

LOOKUP_RETRIES = 1


def customize(app: Any, *, certificates: Callable[..., Any], users_url: str | None) -> None:  # noqa: ANN401 (firebase-admin has no types)
    """Use these certificates, and look accounts up at this URL with one retry."""
    from firebase_admin import auth
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    client = auth._get_client(app)
    client._token_verifier.request = certificates
    users = client._user_manager
    retry = Retry(LOOKUP_RETRIES, allowed_methods=None, respect_retry_after_header=False)
    for scheme in ("https://", "http://"):
        users.http_client.session.mount(scheme, HTTPAdapter(max_retries=retry))
    if users_url:
        users.base_url = users_url
