"""Security headers of the web pages: content security policy, opener and permissions policy."""

import hashlib
from base64 import b64encode
from datetime import timedelta
from urllib.parse import urlsplit

from api_service.responses import View
from shared.domain.media import PUBLIC_PREFIX
from shared.wiring import Phoenix

GOOGLE_POPUP_SCRIPTS = "https://apis.google.com/js/api.js https://apis.google.com/_/scs/"
GOOGLE_POPUP_POLICIES = "default gapi#gapi goog#html"
"""Ours for the first of these scripts (popup_scripts.js), and the two that they create."""
WORKER_TYPES = "phoenix-worker"
"""The policy of trusted types that `static/worker.js` creates: it lets one address pass."""
GOOGLE_SIGN_IN_APIS = "https://identitytoolkit.googleapis.com https://securetoken.googleapis.com"


class FirebaseWeb(View):
    """Public configuration of Firebase's web SDK, and where its modules are loaded from."""

    api_key: str
    auth_domain: str
    project_id: str
    providers: tuple[str, ...] = ("google", "email")
    """Ways to sign in: `google`, `apple`, `email`."""
    sdk_url: str = "https://www.gstatic.com/firebasejs/13.2.0"
    emulator_url: str | None = None
    """Replaces Firebase in tests; no setting sets it."""

    @property
    def opens_popups(self) -> bool:
        return bool({"google", "apple"}.intersection(self.providers))


def page_headers(
    phoenix: Phoenix, firebase: FirebaseWeb | None, *, styles: str, signs_in: bool = False
) -> dict[str, str]:
    """Return the headers of a page; only the one that `signs_in` may open Google's pop-ups.

    `styles` is the content of its style element: a policy allows it by its hash (CSP level 2).
    """
    popups = firebase if firebase and firebase.opens_popups and signs_in else None
    headers = {
        "Content-Security-Policy": _content_security_policy(phoenix, firebase, popups, styles),
        "Cross-Origin-Opener-Policy": "same-origin-allow-popups" if popups else "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
    if phoenix.settings.base_url.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


def _content_security_policy(
    phoenix: Phoenix, firebase: FirebaseWeb | None, popups: FirebaseWeb | None, styles: str
) -> str:
    media = " ".join(["'self'", *_media_origins(phoenix)])
    directives = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": f"'self' '{_hash_of(styles)}'",
        "img-src": media,
        "media-src": media,
        "connect-src": "'self'",
        "manifest-src": "'self'",
        "worker-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": WORKER_TYPES,
    }
    if firebase:
        directives["script-src"] += f" {firebase.sdk_url}/"
        directives["connect-src"] += f" {firebase.emulator_url or GOOGLE_SIGN_IN_APIS}"
    if popups:
        directives["script-src"] += f" {GOOGLE_POPUP_SCRIPTS}"
        directives["frame-src"] = popups.emulator_url or f"https://{popups.auth_domain}"
        directives["trusted-types"] += f" {GOOGLE_POPUP_POLICIES}"
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _hash_of(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _media_origins(phoenix: Phoenix) -> list[str]:
    """Return the origins of links to media, whichever media store is in use."""
    media = phoenix.ports.media
    soon = phoenix.ports.clock.now() + timedelta(minutes=1)
    links = [media.private_link("x", expires_at=soon), media.public_link(f"{PUBLIC_PREFIX}x")]
    parts = [urlsplit(link) for link in links]
    return sorted({f"{each.scheme}://{each.netloc}" for each in parts})
