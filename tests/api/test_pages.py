"""Pages and static files: headers, caching, versions and configuration."""

import base64
import gzip
import hashlib
import io
import json
import re
from collections.abc import Callable

import httpx
import pytest
from PIL import Image

from api_service.app import create_app
from api_service.error_responses import error_response
from api_service.errors import TooManyOwnDownloads
from api_service.security_policy import FirebaseWeb
from api_service.static_files import FOLDER
from shared.domain.errors import AccountDisabled, PhoenixError
from tests.api.conftest import Api

NewApi = Callable[..., Api]
PAGES = [
    "/",
    "/sign-in",
    "/create",
    "/tokens",
    "/settings",
    "/admin",
    "/offline",
    "/soho/explore",
    "/soho/ada",
    "/soho/ada?tab=drafts",
]
FIREBASE = FirebaseWeb(api_key="k", auth_domain="p.firebaseapp.com", project_id="p")


def directives(answer: httpx.Response) -> dict[str, list[str]]:
    policy = answer.headers["content-security-policy"].split("; ")
    return {name: values for name, *values in (each.split() for each in policy)}


@pytest.mark.parametrize("path", PAGES)
def test_page_may_only_run_our_own_files(api: Api, path: str) -> None:
    answer = api.client().get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = directives(answer)
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["connect-src"] == ["'self'"]
    (styles,) = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    hashed = base64.b64encode(hashlib.sha256(styles.encode()).digest()).decode()
    assert policy["style-src"] == ["'self'", f"'sha256-{hashed}'"]
    assert policy["img-src"] == policy["media-src"] == ["'self'", "http://localhost"]
    assert policy["require-trusted-types-for"] == ["'script'"]
    assert policy["trusted-types"] == ["phoenix-worker"]
    assert policy["manifest-src"] == policy["worker-src"] == ["'self'"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "strict-transport-security" not in answer.headers


def test_pages_have_no_inline_scripts_styles_or_handlers() -> None:
    for page in FOLDER.rglob("*.html"):
        text = page.read_text()
        assert not re.search(r"<script(?! type=\"module\" src=)|<style|\sstyle=|\son\w+=", text)
        assert "//" not in re.sub(r'xmlns="[^"]*"', "", text)


def test_scripts_do_not_create_markup_from_text() -> None:
    for script in (FOLDER / "static").glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(",
            script.read_text(),
        )


def test_page_is_revalidated_with_its_etag(api: Api) -> None:
    client = api.client()
    first = client.get("/create")

    again = client.get("/create", headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]


def test_static_files_are_immutable_under_their_version(api: Api) -> None:
    client = api.client()
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', client.get("/create").text)
    assert len(addresses) > 5
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"

    script = next(address for address in addresses if address.endswith("create.js"))
    old = client.get(re.sub(r"/static/\w+/", "/static/0ld/", script))
    assert (old.status_code, old.headers["cache-control"]) == (200, "no-cache")
    assert old.headers["content-type"] == "text/javascript; charset=utf-8"


def test_files_are_gzipped_for_clients_that_accept_it(api: Api) -> None:
    client = api.client()
    packed = client.get("/create", headers={"Accept-Encoding": "gzip"})
    plain = client.get("/create", headers={"Accept-Encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) == len(gzip.compress(plain.content, mtime=0))
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"]
    assert packed.headers["vary"] == "Accept-Encoding, Accept-Language, Cookie"


@pytest.mark.parametrize("path", PAGES)
def test_page_contains_its_styles_and_preloads_every_module(api: Api, path: str) -> None:
    client = api.client()
    page = client.get(path).text
    *_, script = re.findall(r'<script type="module" src="([^"]+)"', page)
    preloaded = re.findall(r'<link rel="modulepreload" href="([^"]+)"', page)
    folder = script.rpartition("/")[0]

    imported = {
        f"{folder}/{name}"
        for module in (script, *preloaded)
        for name in re.findall(
            r'^(?:import|export) [^;]*?"\./([\w.]+)";', client.get(module).text, re.MULTILINE
        )
    }

    assert (page.count("<style>"), page.count('rel="stylesheet"')) == (1, 0)
    assert imported - {script, *preloaded} == set()
    assert f"{folder}/en.js" in preloaded
    assert len(preloaded) == len(set(preloaded))


def test_page_contains_its_styles_in_their_order(api: Api) -> None:
    (styles,) = re.findall("<style>(.*?)</style>", api.client().get("/create").text, re.DOTALL)

    folder = FOLDER / "static"
    names = ["tokens", "base", "shell", "components", "pages", "create"]
    assert styles == "\n".join((folder / f"{name}.css").read_text() for name in names)


@pytest.mark.parametrize(("language", "drafts"), [("en", "Drafts"), ("de", "Entwürfe")])
def test_manifest_makes_the_pages_an_app(api: Api, language: str, drafts: str) -> None:
    client = api.client()
    answer = client.get("/manifest.webmanifest", headers={"Accept-Language": language})
    manifest = answer.json()

    assert answer.headers["content-type"] == "application/manifest+json"
    assert answer.headers["cache-control"] == "no-cache"
    assert "Accept-Language" in answer.headers["vary"]
    assert (manifest["lang"], manifest["start_url"]) == (language, "/create")
    assert manifest["display"] == "standalone"
    assert [each["name"] for each in manifest["shortcuts"]][1] == drafts
    assert [each["purpose"] for each in manifest["icons"]] == ["any", "any", "maskable"]
    for icon in manifest["icons"]:
        picture = client.get(icon["src"])
        assert picture.headers["cache-control"] == "public, max-age=31536000, immutable"
        size = Image.open(io.BytesIO(picture.content)).size
        assert f"{size[0]}x{size[1]}" == icon["sizes"]
    assert f'lang="{language}"' in client.get("/create", headers={"Accept-Language": language}).text


def test_worker_is_revalidated_and_may_only_load_from_its_origin(api: Api) -> None:
    answer = api.client().get("/sw.js")

    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-security-policy"] == "default-src 'none'; connect-src 'self'"
    release = json.loads(answer.text.partition(" = ")[2].partition(";\n")[0])
    assert {api.client().get(path).status_code for path in release["files"]} == {200}
    assert {api.client().get(path).status_code for path in release["keptPages"]} == {200}
    assert {"/api/", "/shared/", "/media/"}.isdisjoint(release["files"])


def test_browsers_and_crawlers_find_their_files(api: Api) -> None:
    icon, robots = (api.client().get(path) for path in ("/favicon.ico", "/robots.txt"))

    assert icon.headers["content-type"] == "image/x-icon"
    assert robots.headers["content-type"] == "text/plain; charset=utf-8"
    hidden = {line.removeprefix("Disallow: ") for line in robots.text.splitlines()[1:]}
    assert hidden == {"/api/", "/admin", "/settings", "/tokens"}
    assert (
        icon.headers["cache-control"] == robots.headers["cache-control"] == "public, max-age=86400"
    )


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/nothing", "Page not found"),
        ("/shared/x/y", "This link no longer works"),
        ("/soho/ada/x", "Not public"),
    ],
)
def test_error_page_says_which_thing_is_missing(api: Api, path: str, title: str) -> None:
    answer = api.client().get(path, headers={"Accept": "text/html"})

    assert (answer.status_code, f"<h1>{title}</h1>" in answer.text) == (404, True)
    assert '<meta name="robots" content="noindex">' in answer.text


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (TooManyOwnDownloads(limit=2, retry_after_s=61), 429, "Try again in 2 min."),
        (TooManyOwnDownloads(limit=2, retry_after_s=0), 429, "Try again in a moment."),
        (AccountDisabled(), 403, "Your account may not open this."),
    ],
    ids=lambda each: getattr(each, "code", ""),
)
def test_error_page_says_what_is_refused(
    api: Api, error: PhoenixError, status: int, sentence: str
) -> None:
    headers = [(b"accept", b"text/html")]
    scope = {
        "type": "http",
        "path": "/downloads/x",
        "headers": headers,
        "app": create_app(api.world.phoenix),
    }

    response = error_response(error, scope)

    assert response.status_code == status
    assert sentence in bytes(response.body).decode()


@pytest.mark.parametrize(
    "path",
    [
        "/static/x/nothing.js",
        "/static/x/../create.html",
        "/static/x/%2e%2e/parts/top.html",
        "/soho",
    ],
)
def test_unknown_static_file_is_404(api: Api, path: str) -> None:
    assert api.client().get(path).status_code == 404


@pytest.mark.parametrize("path", ["/soho", "/nothing", "/static/x/nothing.js", "/media/public/x"])
def test_browser_gets_a_page_for_an_unknown_address(api: Api, path: str) -> None:
    headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = api.client().get(path, headers=headers)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<h1>Page not found</h1>" in answer.text
    assert "[[" not in answer.text
    links = re.findall(r'href="([^"]+)"', answer.text)
    assert {"/create", "/soho/explore"} <= set(links)
    assert {api.client().get(link).status_code for link in links} == {200}


@pytest.mark.parametrize(
    "path", ["/api", "/api/nothing", "/internal/nothing", "/api/profiles/nobody"]
)
def test_api_returns_problems_to_browsers(api: Api, path: str) -> None:
    answer = api.client().get(path, headers={"Accept": "text/html"})

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "application/json, text/html;q=0.1", "image/*"]
)
def test_other_clients_get_problems_everywhere(api: Api, accept: str) -> None:
    answer = api.client().get("/nothing", headers={"Accept": accept})

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_wrong_method_at_a_page_is_405_for_a_browser(api: Api) -> None:
    answer = api.client().post("/create", headers={"Accept": "text/html"})

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert "<h1>" in answer.text


def test_head_has_no_body(api: Api) -> None:
    answer = api.client().head("/create")

    assert (answer.status_code, answer.content) == (200, b"")


def test_web_config_has_no_firebase_in_local_mode(api: Api) -> None:
    answer = api.client().get("/api/web-config")

    assert answer.json() == {
        "firebase": None,
        "costs": {"image": 1, "video": 10},
        "limits": {"promptLength": 2000, "captionLength": 500, "watched": 50, "count": 4},
        "formats": {"image": ["1:1", "3:4", "4:3", "9:16", "16:9"], "video": ["16:9", "9:16"]},
        "formatDefaults": {"image": "1:1", "video": "16:9"},
        "durations": [4, 6, 8],
        "durationDefault": 8,
        "typicalS": {"image": 12.0, "video": 90.0},
        "languages": {"en": "English", "de": "Deutsch"},
        "getTokensUrl": None,
    }


def test_pages_may_load_firebase_and_nothing_else_in_the_cloud(new_api: NewApi) -> None:
    api = new_api({"firebase": FIREBASE}, PHOENIX_BASE_URL="https://phoenix.example")
    client = api.client()

    config = client.get("/api/web-config").json()["firebase"]
    page = client.get("/sign-in")

    assert config == {
        "apiKey": "k",
        "authDomain": "p.firebaseapp.com",
        "projectId": "p",
        "providers": ["google", "email"],
        "sdkUrl": FIREBASE.sdk_url,
        "emulatorUrl": None,
    }
    policy = directives(page)
    assert policy["script-src"] == [
        "'self'",
        f"{FIREBASE.sdk_url}/",
        "https://apis.google.com/js/api.js",
        "https://apis.google.com/_/scs/",
    ]
    assert policy["require-trusted-types-for"] == ["'script'"]
    assert policy["trusted-types"] == ["phoenix-worker", "default", "gapi#gapi", "goog#html"]
    assert policy["connect-src"] == [
        "'self'",
        "https://identitytoolkit.googleapis.com",
        "https://securetoken.googleapis.com",
    ]
    assert policy["frame-src"] == ["https://p.firebaseapp.com"]
    assert policy["img-src"] == ["'self'", "https://phoenix.example"]
    assert page.headers["cross-origin-opener-policy"] == "same-origin-allow-popups"
    assert page.headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize(
    ("path", "providers"), [("/create", ("google", "email")), ("/sign-in", ("email",))]
)
def test_page_without_pop_ups_allows_only_the_sdk(
    new_api: NewApi, path: str, providers: tuple[str, ...]
) -> None:
    firebase = FIREBASE.model_copy(update={"providers": providers})
    page = new_api({"firebase": firebase}).client().get(path)

    policy = directives(page)
    assert policy["script-src"] == ["'self'", f"{FIREBASE.sdk_url}/"]
    assert policy["trusted-types"] == ["phoenix-worker"]
    assert "frame-src" not in policy
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
