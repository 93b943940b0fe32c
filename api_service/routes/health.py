"""Health checks: whether the process is alive, and whether its dependencies respond."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from api_service.dependencies import StateDep
from api_service.one_hop import OneHopRoute
from api_service.readiness import Readiness
from api_service.responses import Alive, json_response

router = APIRouter(route_class=OneHopRoute, tags=["health"])


@router.get("/api/health", response_model=Alive)
async def health() -> Response:
    """Respond at once: the process is alive."""
    return json_response(Alive())


@router.get(
    "/api/health/ready",
    response_model=Readiness,
    responses={HTTPStatus.SERVICE_UNAVAILABLE: {"model": Readiness}},
)
def ready(state: StateDep) -> Response:
    """Check the store, the queue and the media store, with their response times."""
    readiness = state.readiness.readiness()
    is_ok = readiness.status == "ok"
    return json_response(readiness, HTTPStatus.OK if is_ok else HTTPStatus.SERVICE_UNAVAILABLE)
