"""The web pages and the files they load: read once, served with ETag, gzip and cache headers.

Each page exists in each language; `languages.choose` decides which one a browser gets.

Browsers revalidate a page each time. The files it loads are under `/static/{version}/`, where the
version is a hash of all of them, so that they can be cached for ever without a build step.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path

from fastapi import Request, Response

from api_service import languages
from api_service.errors import PageNotFound
from api_service.languages import Language
from api_service.security_policy import FirebaseWeb, page_headers
from shared.wiring import Phoenix

FOLDER = Path(__file__).parent / "web"
STATIC_FOLDER = FOLDER / "static"
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
SIGN_IN = "sign-in"
PAGES = {"landing", SIGN_IN, "create", "explore", "tokens", "settings", "admin"}
PROFILE = "profile"  # the page of every `/soho/{username}`
_STATIC = "/static/"


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:32]

    @cached_property
    def gzipped(self) -> bytes:
        return gzip.compress(self.content, mtime=0)


@dataclass(frozen=True)
class Template:
    """A page with `[[parts]]` to fill in (`markup.fill`), in one language, and its headers."""

    text: str
    headers: dict[str, str]
    language: Language


class StaticFiles:
    def __init__(self, phoenix: Phoenix, firebase: FirebaseWeb | None) -> None:
        self.firebase = firebase
        self.languages = languages.load()
        self._phoenix = phoenix
        self._files = {
            path.name: _File(path.read_bytes(), MEDIA_TYPES[path.suffix])
            for path in sorted(STATIC_FOLDER.glob("[!.]*.*"))
        }
        for language in self.languages.values():
            self._files[f"{language.code}.js"] = _File(language.script(), MEDIA_TYPES[".js"])
        digests = "".join(f"{name} {file.digest}\n" for name, file in self._files.items())
        self._version = hashlib.sha256(digests.encode()).hexdigest()[:12]
        self._pages = {
            (path.stem, language.code): self._assemble(path, language)
            for path in FOLDER.glob("*.html")
            for language in self.languages.values()
        }

    def _assemble(self, path: Path, language: Language) -> _File:
        """Insert the shared parts, the messages and the version of the static files into a page."""
        page = path.read_text()
        for part in (FOLDER / "parts").glob("*.html"):
            page = page.replace(f"<!-- {part.stem} -->\n", part.read_text())
        versioned = language.fill(page).replace(_STATIC, f"{_STATIC}{self._version}/")
        return _File(versioned.encode(), "text/html; charset=utf-8")

    def page(self, name: str, request: Request) -> Response:
        """Return a page; a name that is not a page's is a username."""
        language = languages.choose(self.languages, request)
        page = self._pages[name if name in PAGES else PROFILE, language.code]
        headers = self._sign_in_headers if name == SIGN_IN else self._page_headers
        return _response(page, request, {"Cache-Control": REVALIDATE, **headers})

    def template(self, name: str, request: Request) -> Template:
        language = languages.choose(self.languages, request)
        text = self._pages[name, language.code].content.decode()
        return Template(text, self._page_headers, language)

    def static(self, version: str, name: str, request: Request) -> Response:
        """Return a file, or raise `PageNotFound`. Pages of another release get this release's file."""
        file = self._files.get(name)
        if file is None:
            raise PageNotFound
        caching = IMMUTABLE if version == self._version else REVALIDATE
        headers = {"Cache-Control": caching, "Cross-Origin-Resource-Policy": "same-origin"}
        return _response(file, request, headers)

    @cached_property
    def _page_headers(self) -> dict[str, str]:
        return self._headers(signs_in=False)

    @cached_property
    def _sign_in_headers(self) -> dict[str, str]:
        return self._headers(signs_in=True)

    def _headers(self, *, signs_in: bool) -> dict[str, str]:
        headers = page_headers(self._phoenix, self.firebase, signs_in=signs_in)
        return {**headers, "Vary": languages.VARY}


def _response(file: _File, request: Request, headers: dict[str, str]) -> Response:
    """Return the file, gzipped if the client accepts that, or 304 if it has this version."""
    is_gzipped = "gzip" in request.headers.get("accept-encoding", "")
    etag = f'"{file.digest}{"-gzip" if is_gzipped else ""}"'
    vary = ", ".join(filter(None, ("Accept-Encoding", headers.get("Vary"))))
    headers = {**headers, "ETag": etag, "Vary": vary}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if is_gzipped:
        headers["Content-Encoding"] = "gzip"
    content = file.gzipped if is_gzipped else file.content
    return Response(content, headers=headers, media_type=file.media_type)
