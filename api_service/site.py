"""The web pages as files that are read once, with their headers and their caching.

A page is asked for anew each time (ETag). What it loads lies under `/static/{version}/`, where the
version is a hash of all of it: that may be kept for ever, and needs no build step.
"""

import gzip
import hashlib
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import Request, Response

from api_service.views import View
from shared.domain.media import PUBLIC_PREFIX
from shared.ports.media_store import MediaStore
from shared.wiring import Phoenix

FOLDER = Path(__file__).parent / "web"
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PAGES = {"sign-in", "create", "explore"}
PROFILE = "profile"
"""The page of every `/soho/{username}`."""
ERROR = "error"
_STATIC = "/static/"

GOOGLE_SIGN_IN = (
    "https://apis.google.com",
    "https://identitytoolkit.googleapis.com",
    "https://securetoken.googleapis.com",
)
"""Where Firebase's web SDK loads its pop-up's script from, and what it calls."""


class FirebaseWeb(View):
    """What Firebase's web SDK is told, all of it public, and where its modules lie."""

    api_key: str
    auth_domain: str
    project_id: str
    sdk_url: str = "https://www.gstatic.com/firebasejs/13.2.0"


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str

    @cached_property
    def tag(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:32]

    @cached_property
    def gzipped(self) -> bytes:
        return gzip.compress(self.content, mtime=0)


class Site:
    """The pages of one installation."""

    def __init__(self, phoenix: Phoenix, firebase: FirebaseWeb | None) -> None:
        self.firebase = firebase
        self._phoenix = phoenix
        static = sorted(path for path in (FOLDER / "static").rglob("*.*") if path.is_file())
        self._static = {
            str(path.relative_to(FOLDER / "static")): _File(
                path.read_bytes(), MEDIA_TYPES[path.suffix]
            )
            for path in static
        }
        tags = "".join(f"{name} {file.tag}\n" for name, file in self._static.items())
        self._version = hashlib.sha256(tags.encode()).hexdigest()[:12]
        self._parts = {
            f"<!-- {path.stem} -->\n": path.read_text()
            for path in (FOLDER / "parts").glob("*.html")
        }
        self._pages = {path.stem: self._assembled(path) for path in FOLDER.glob("*.html")}

    def _assembled(self, path: Path) -> _File:
        page = path.read_text()
        for comment, part in self._parts.items():
            page = page.replace(comment, part)
        versioned = page.replace(_STATIC, f"{_STATIC}{self._version}/")
        return _File(versioned.encode(), "text/html; charset=utf-8")

    def page(self, name: str, request: Request) -> Response:
        """Return a page by its name; any other name is a user's."""
        page = self._pages[name if name in PAGES else PROFILE]
        return _answer(page, request, {"Cache-Control": ASK_AGAIN, **self._page_headers})

    def error_page(self) -> tuple[str, dict[str, str]]:
        """Return the page of errors, with `[[title]]` and `[[sentence]]` to fill in, and headers."""
        return self._pages[ERROR].content.decode(), self._page_headers

    def static(self, version: str, name: str, request: Request) -> Response | None:
        """Return what a page loads, or None. A page of another release gets this one's."""
        file = self._static.get(name)
        if file is None:
            return None
        caching = FOR_EVER if version == self._version else ASK_AGAIN
        headers = {"Cache-Control": caching, "Cross-Origin-Resource-Policy": "same-origin"}
        return _answer(file, request, headers)

    @cached_property
    def _page_headers(self) -> dict[str, str]:
        opener = "same-origin-allow-popups" if self.firebase else "same-origin"
        headers = {
            "Content-Security-Policy": self._content_security_policy(),
            "Cross-Origin-Opener-Policy": opener,
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        }
        if self._phoenix.settings.base_url.startswith("https://"):
            headers["Strict-Transport-Security"] = "max-age=31536000"
        return headers

    def _content_security_policy(self) -> str:
        media = self._media_origins()
        directives = {
            "default-src": ["'none'"],
            "script-src": ["'self'"],
            "style-src": ["'self'"],
            "img-src": ["'self'", *media],
            "media-src": ["'self'", *media],
            "connect-src": ["'self'"],
            "manifest-src": ["'self'"],
            "base-uri": ["'none'"],
            "form-action": ["'none'"],
            "frame-ancestors": ["'none'"],
        }
        if self.firebase is None:
            directives |= {"require-trusted-types-for": ["'script'"], "trusted-types": ["'none'"]}
        else:
            directives["script-src"] += [f"{self.firebase.sdk_url}/", GOOGLE_SIGN_IN[0]]
            directives["connect-src"] += GOOGLE_SIGN_IN[1:]
            directives["frame-src"] = [f"https://{self.firebase.auth_domain}"]
        return "; ".join(f"{name} {' '.join(values)}" for name, values in directives.items())

    def _media_origins(self) -> list[str]:
        """Return where links to media lead, whatever the media store is."""
        media: MediaStore = self._phoenix.ports.media
        soon = self._phoenix.ports.clock.now() + timedelta(minutes=1)
        links = [media.private_link("x", expires_at=soon), media.public_link(f"{PUBLIC_PREFIX}x")]
        return sorted({_origin(link) for link in links})


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _answer(file: _File, request: Request, headers: dict[str, str]) -> Response:
    """Return the file, packed where the browser unpacks it, or 304 if it has this very one."""
    is_packed = "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{file.tag}{"-gzip" if is_packed else ""}"'
    headers = {**headers, "ETag": tag, "Vary": "Accept-Encoding"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    content = file.gzipped if is_packed else file.content
    return Response(content, headers=headers, media_type=file.media_type)
