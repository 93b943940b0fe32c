"""Security headers of the web pages: content security policy, opener and permissions policy."""

from datetime import timedelta
from urllib.parse import urlsplit

from api_service.responses import View
from shared.domain.media import PUBLIC_PREFIX
from shared.wiring import Phoenix

GOOGLE_SIGN_IN_SCRIPTS = "https://apis.google.com"
GOOGLE_SIGN_IN_APIS = "https://identitytoolkit.googleapis.com https://securetoken.googleapis.com"


class FirebaseWeb(View):
    """Public configuration of Firebase's web SDK, and where its modules are loaded from."""

    api_key: str
    auth_domain: str
    project_id: str
    sdk_url: str = "https://www.gstatic.com/firebasejs/13.2.0"


def page_headers(phoenix: Phoenix, firebase: FirebaseWeb | None) -> dict[str, str]:
    """Return the headers of every page; Firebase signs in through a pop-up on Google's origin."""
    opener = "same-origin-allow-popups" if firebase else "same-origin"
    headers = {
        "Content-Security-Policy": _content_security_policy(phoenix, firebase),
        "Cross-Origin-Opener-Policy": opener,
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
    if phoenix.settings.base_url.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


def _content_security_policy(phoenix: Phoenix, firebase: FirebaseWeb | None) -> str:
    media = " ".join(["'self'", *_media_origins(phoenix)])
    directives = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": media,
        "media-src": media,
        "connect-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    if firebase is None:
        directives |= {"require-trusted-types-for": "'script'", "trusted-types": "'none'"}
    else:
        directives["script-src"] += f" {firebase.sdk_url}/ {GOOGLE_SIGN_IN_SCRIPTS}"
        directives["connect-src"] += f" {GOOGLE_SIGN_IN_APIS}"
        directives["frame-src"] = f"https://{firebase.auth_domain}"
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _media_origins(phoenix: Phoenix) -> list[str]:
    """Return the origins of links to media, whichever media store is in use."""
    media = phoenix.ports.media
    soon = phoenix.ports.clock.now() + timedelta(minutes=1)
    links = [media.private_link("x", expires_at=soon), media.public_link(f"{PUBLIC_PREFIX}x")]
    parts = [urlsplit(link) for link in links]
    return sorted({f"{each.scheme}://{each.netloc}" for each in parts})
