"""The OpenAPI description against the API: it accepts what the schemas allow, and nothing else."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api_service.app import create_app
from api_service.errors import PROBLEM_JSON, Problem
from api_service.events import StreamLimits
from shared.adapters.local.identity import LocalIdentity
from tests.api.conftest import Api, running_server
from tests.support.builders import ADA
from tests.support.fakes import FakeClock
from tests.support.world import KEY, World

NO_LIMITS = {
    "PHOENIX_ADMINS": ADA,
    "PHOENIX_WELCOME_TOKENS": "1000000",
    "PHOENIX_POLICY_OPENED_PER_HOUR_MAX": "1000000",
    "PHOENIX_POLICY_IMAGES_IN_FLIGHT_MAX": "1000000",
    "PHOENIX_POLICY_VIDEOS_IN_FLIGHT_MAX": "1000000",
}


@pytest.fixture(scope="module")
def living_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with ExitStack() as closing:
        world = World(Path(tmp_path_factory.mktemp("world")), **NO_LIMITS)
        closing.callback(world.close)
        server, limits = closing.enter_context(running_server()), StreamLimits(life_s=0.01)
        api = Api(world, server, stream_limits=limits)
        closing.callback(api.clients.close)
        yield api


def description() -> dict[str, Any]:
    with TemporaryDirectory() as folder, closing(World(Path(folder))) as world:
        return create_app(world.phoenix).openapi()


schema = schemathesis.openapi.from_dict(description())


def is_beyond_schemas(answer: schemathesis.Response) -> bool:
    """Return whether no schema could express this refusal.

    Cursors are opaque, keys may be used, and a schedule must be some time ahead.
    """
    refusal = answer.json() if answer.status_code in (400, 422) else {}
    is_beyond = refusal.get("field") in ("cursor", "publishAt")
    return is_beyond or refusal.get("code") == "idempotency_key_reused"


@schema.auth()
class Tokens:
    """A user's token, or a service's for internal routes."""

    identity = LocalIdentity(KEY, clock=FakeClock())

    def get(self, case: schemathesis.Case[Any], _: Any) -> str:
        if case.path.startswith("/internal/"):
            return self.identity.service_token("test")
        return self.identity.sign_in(ADA)

    def set(self, case: schemathesis.Case[Any], token: str, _: Any) -> None:
        case.headers["Authorization"] = f"Bearer {token}"


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_api_conforms_to_its_description(case: schemathesis.Case[Any], living_api: Api) -> None:
    answer = case.call(base_url=living_api.base_url)
    excluded: list[Any] = [positive_data_acceptance] if is_beyond_schemas(answer) else []
    case.validate_response(answer, excluded_checks=excluded)


def test_every_problem_example_is_a_valid_problem() -> None:
    answers = [
        answer
        for operations in description()["paths"].values()
        for operation in operations.values()
        for answer in operation["responses"].values()
    ]
    examples = [
        example["value"]
        for answer in answers
        for example in answer.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {}).values()
    ]

    statuses = {Problem.model_validate(example, strict=True).status for example in examples}
    assert {400, 404, "pending"} <= statuses


def test_description_is_valid_openapi(api: Api) -> None:
    OpenAPIV31SpecValidator(api.client().get("/openapi.json").json()).validate()
