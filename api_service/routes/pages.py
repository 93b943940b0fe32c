"""The web pages, their static files and their configuration."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from api_service.dependencies import StateDep
from api_service.one_hop import READ, OneHopRoute
from api_service.responses import PerKind, View, json_response
from api_service.security_policy import FirebaseWeb
from api_service.static_files import A_DAY
from api_service.web_app import ROBOTS
from shared.domain import brief
from shared.domain.brief import AspectRatio
from shared.domain.kind import Kind
from shared.domain.snapshot import WATCHED_MAX

router = APIRouter(route_class=OneHopRoute)


class WebLimits(View):
    """Maximum lengths in characters, and of creations in a snapshot and in a request."""

    prompt_length: int = brief.PROMPT_LENGTH_MAX
    caption_length: int = brief.CAPTION_LENGTH_MAX
    watched: int = WATCHED_MAX
    count: int = brief.COUNT_MAX


class WebConfig(View):
    """Configuration of the pages. Without `firebase`, users sign in by name (local mode)."""

    firebase: FirebaseWeb | None
    costs: PerKind
    limits: WebLimits = WebLimits()
    formats: dict[Kind, tuple[AspectRatio, ...]] = brief.ASPECT_RATIOS
    format_defaults: dict[Kind, AspectRatio] = brief.ASPECT_RATIO_DEFAULT
    durations: tuple[int, ...] = brief.DURATIONS_S
    duration_default: int = brief.DURATION_DEFAULT_S
    typical_s: dict[Kind, float]
    """How long a creation usually takes."""
    languages: dict[str, str]
    """The names of the pages' languages, by their codes."""
    get_tokens_url: str | None
    """Where users get more tokens."""


@router.get("/api/web-config", tags=["account"], response_model=WebConfig)
async def web_config(state: StateDep) -> Response:
    """Get the sign-in configuration, prices, limits and formats."""
    settings, files = state.phoenix.settings, state.static_files
    config = WebConfig(
        firebase=files.firebase,
        costs=PerKind.costs(settings.costs),
        typical_s={kind: settings.policy.typical_s(kind) for kind in Kind},
        languages={code: each.name for code, each in files.languages.items()},
        get_tokens_url=settings.get_tokens_url,
    )
    return json_response(config)


@router.api_route("/", methods=READ, include_in_schema=False)
async def landing(request: Request, state: StateDep) -> Response:
    return state.static_files.page("landing", request)


@router.api_route("/sign-in", methods=READ, include_in_schema=False)
@router.api_route("/create", methods=READ, include_in_schema=False)
@router.api_route("/tokens", methods=READ, include_in_schema=False)
@router.api_route("/settings", methods=READ, include_in_schema=False)
@router.api_route("/admin", methods=READ, include_in_schema=False)
@router.api_route("/offline", methods=READ, include_in_schema=False)
@router.api_route("/soho/explore", methods=READ, include_in_schema=False)
@router.api_route("/soho/{username}", methods=READ, include_in_schema=False)
async def page(request: Request, state: StateDep) -> Response:
    name = request.url.path.removeprefix("/soho/").strip("/")
    return state.static_files.page(name, request)


@router.api_route("/manifest.webmanifest", methods=READ, include_in_schema=False)
async def manifest(request: Request, state: StateDep) -> Response:
    return state.static_files.manifest(request)


@router.api_route("/sw.js", methods=READ, include_in_schema=False)
async def worker(request: Request, state: StateDep) -> Response:
    return state.static_files.worker(request)


@router.api_route("/favicon.ico", methods=READ, include_in_schema=False)
async def favicon(request: Request, state: StateDep) -> Response:
    return state.static_files.icon(request)


@router.api_route("/robots.txt", methods=READ, include_in_schema=False)
async def robots() -> Response:
    return PlainTextResponse(ROBOTS, headers={"Cache-Control": A_DAY})


@router.api_route("/static/{version}/{name:path}", methods=READ, include_in_schema=False)
async def static(request: Request, state: StateDep, version: str, name: str) -> Response:
    return state.static_files.static(version, name, request)
