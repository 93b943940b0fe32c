"""The web pages and the files they load: read once, served with ETag, gzip and cache headers.

Each page exists in each language; `languages.choose` decides which one a browser gets.

Browsers revalidate a page each time. The files it loads are under `/static/{version}/`, where the
version is a hash of all of them, so that they can be cached for ever without a build step. A page
contains its styles and preloads its modules (`page_links`).
"""

import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from itertools import product
from pathlib import Path

from fastapi import Request, Response

from api_service import languages, web_app
from api_service.errors import PageNotFound
from api_service.languages import Language
from api_service.page_links import add_preloads, imports_of, inline_styles, styles_of
from api_service.security_policy import FirebaseWeb, page_headers
from shared.wiring import Phoenix

FOLDER = Path(__file__).parent / "web"
STATIC_FOLDER = FOLDER / "static"
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
A_DAY = "public, max-age=86400"
HTML = "text/html; charset=utf-8"
SCRIPT = "text/javascript; charset=utf-8"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": SCRIPT,
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
SIGN_IN = "sign-in"
PAGES = {"landing", SIGN_IN, "create", "explore", "tokens", "settings", "admin", "offline"}
PROFILE = "profile"  # the page of every `/soho/{username}`
PROFILE_TABS = {"drafts": "drafts.js", "shared": "shared_list.js", "": "published.js"}
"""The module of each tab of a profile: the page names it, so that it loads with the others."""
WORKER_POLICY = "default-src 'none'; connect-src 'self'"
_STATIC = "/static/"
_LINK = re.compile(rf'"({_STATIC}[^"]+)"')


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
        pages = {path.stem: _with_parts(path) for path in FOLDER.glob("*.html")}
        self._files = _static_files(self.languages.values())
        self._styles = {name: self._styles_of(page) for name, page in pages.items()}
        self._version = _digest_of(self._files.items())
        self._pages = self._assemble(pages)
        self._manifests = {
            code: _File(web_app.manifest(each, self._folder), "application/manifest+json")
            for code, each in self.languages.items()
        }

    @property
    def _folder(self) -> str:
        return f"{_STATIC}{self._version}/"

    def _styles_of(self, page: str) -> str:
        return "\n".join(self._files[name].content.decode() for name in styles_of(page))

    def _assemble(self, pages: Mapping[str, str]) -> dict[tuple[str, str], _File]:
        """Insert the messages, the links to all files, and the version of the static files."""
        imports = {
            name: imports_of(file.content.decode())
            for name, file in self._files.items()
            if file.media_type == SCRIPT
        }
        assembled = {}
        for (name, page), language in product(pages.items(), self.languages.values()):
            joined = inline_styles(page, self._styles[name])
            for tab, module in PROFILE_TABS.items() if name == PROFILE else [("", None)]:
                late = [module] if module else []
                linked = add_preloads(joined, imports, language.code, *late)
                versioned = language.fill(linked).replace(_STATIC, self._folder)
                assembled[name + tab, language.code] = _File(versioned.encode(), HTML)
        return assembled

    def page(self, name: str, request: Request) -> Response:
        """Return a page; a name that is not a page's is a username."""
        language = languages.choose(self.languages, request)
        tab = request.query_params.get("tab", "")
        name = name if name in PAGES else PROFILE
        variant = tab if name == PROFILE and tab in PROFILE_TABS else ""
        page = self._pages[name + variant, language.code]
        return _response(page, request, {"Cache-Control": REVALIDATE, **self._headers[name]})

    def template(self, name: str, request: Request) -> Template:
        language = languages.choose(self.languages, request)
        text = self._pages[name, language.code].content.decode()
        return Template(text, self._headers[name], language)

    def static(self, version: str, name: str, request: Request) -> Response:
        """Return a file, or raise `PageNotFound`. Pages of another release get this release's file."""
        file = self._files.get(name)
        if file is None:
            raise PageNotFound
        caching = IMMUTABLE if version == self._version else REVALIDATE
        headers = {"Cache-Control": caching, "Cross-Origin-Resource-Policy": "same-origin"}
        return _response(file, request, headers)

    def icon(self, request: Request) -> Response:
        return _response(self._files["favicon.ico"], request, {"Cache-Control": A_DAY})

    def manifest(self, request: Request) -> Response:
        language = languages.choose(self.languages, request)
        headers = {"Cache-Control": REVALIDATE, "Vary": languages.VARY}
        return _response(self._manifests[language.code], request, headers)

    def worker(self, request: Request) -> Response:
        """Return the service worker, which browsers fetch again when they check for a release."""
        headers = {"Cache-Control": REVALIDATE, "Content-Security-Policy": WORKER_POLICY}
        return _response(self._worker, request, headers)

    @cached_property
    def _worker(self) -> _File:
        """Return the worker; it is another one after each change of a page or a file."""
        release = _digest_of((f"{name} {code}", file) for (name, code), file in self._pages.items())
        kept = [
            self._pages[name.strip("/"), code].content.decode()
            for name in web_app.OFFLINE_PAGES
            for code in self.languages
        ]
        files = {link for page in kept for link in _LINK.findall(page)}
        script = self._files["sw.js"].content
        content = web_app.worker(script, release=release, folder=self._folder, files=files)
        return _File(content, SCRIPT)

    @cached_property
    def _headers(self) -> dict[str, dict[str, str]]:
        """The headers of each page."""
        return {
            name: page_headers(
                self._phoenix, self.firebase, styles=styles, signs_in=name == SIGN_IN
            )
            | {"Vary": languages.VARY}
            for name, styles in self._styles.items()
        }


def _with_parts(path: Path) -> str:
    page = path.read_text()
    for part in (FOLDER / "parts").glob("*.html"):
        page = page.replace(f"<!-- {part.stem} -->\n", part.read_text())
    return page


def _static_files(all_languages: Iterable[Language]) -> dict[str, _File]:
    """Return the files by name: those of the folder, and the messages."""
    files = {
        path.name: _File(path.read_bytes(), MEDIA_TYPES[path.suffix])
        for path in sorted(STATIC_FOLDER.glob("[!.]*.*"))
    }
    for language in all_languages:
        for name, script in language.scripts():
            files[name] = _File(script, SCRIPT)
    return files


def _digest_of(files: Iterable[tuple[str, _File]]) -> str:
    digests = "".join(f"{name} {file.digest}\n" for name, file in files)
    return hashlib.sha256(digests.encode()).hexdigest()[:12]


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
