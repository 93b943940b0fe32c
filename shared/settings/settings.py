"""The settings of a process, checked before anything starts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from shared.domain.errors import WrongSetting
from shared.domain.policy import Costs, Policy
from shared.settings import addresses, values
from shared.settings.backends import (
    Endpoints,
    GCPBackend,
    GeminiAPI,
    LocalBackend,
    R2Buckets,
    read_backend,
)
from shared.settings.guards import refusals
from shared.settings.reader import REQUIRED, Reader, variable, variables

DEFAULT_PORT = 8080
LOCAL_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
LOCAL_WELCOME_TOKENS = 100
GCP_WELCOME_TOKENS = 0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A checked environment; `environment` itself is passed on to local jobs."""

    backend: LocalBackend | GCPBackend
    base_url: str = variable("PHOENIX_BASE_URL", addresses.base_url)
    cors_origins: tuple[str, ...] = variable("PHOENIX_CORS_ORIGINS", addresses.origins, ())
    welcome_tokens: int = variable("PHOENIX_WELCOME_TOKENS", values.count)
    daily_cost_max_usd: float | None = variable("PHOENIX_DAILY_COST_MAX_USD", values.dollars, None)
    get_tokens_url: str | None = variable("PHOENIX_GET_TOKENS_URL", addresses.page, None)
    costs: Costs
    policy: Policy
    environment: Mapping[str, str] = field(repr=False)


POLICY_SETTINGS = {f"PHOENIX_POLICY_{each.name.upper()}": each for each in fields(Policy)}
SETTINGS = frozenset(
    {"PHOENIX_BACKEND", "PHOENIX_GENERATOR", "PHOENIX_IMAGE_COST", "PHOENIX_VIDEO_COST"}
    | {"PHOENIX_REQUIRE"}  # read by the tests
    | {
        each.name
        for kind in (Settings, LocalBackend, GeminiAPI, GCPBackend, R2Buckets, Endpoints)
        for each in variables(kind).values()
    }
)
"""Every known variable except `POLICY_SETTINGS`."""


def load(environment: Mapping[str, str]) -> Settings:
    """Return the settings, or raise one `WrongSetting` that names every fault in one line."""
    reader = Reader(environment)
    backend = read_backend(reader)
    is_local = isinstance(backend, LocalBackend)
    settings = reader.read(
        Settings,
        backend=backend,
        base_url=LOCAL_URL if is_local else REQUIRED,
        welcome_tokens=LOCAL_WELCOME_TOKENS if is_local else GCP_WELCOME_TOKENS,
        costs=Costs(
            image_tokens=reader.value("PHOENIX_IMAGE_COST", values.price, Costs.image_tokens),
            video_tokens=reader.value("PHOENIX_VIDEO_COST", values.price, Costs.video_tokens),
        ),
        policy=_read_policy(reader),
        environment=environment,
    )
    problems = [*reader.problems, *_unknown(environment), *refusals(environment)]
    if reader.missing:
        problems.insert(0, f"{', '.join(sorted(reader.missing))} must be set")
    if problems:
        raise WrongSetting(setting="settings", reason="; ".join(problems))
    return settings


def _read_policy(reader: Reader) -> Policy:
    """Return the policy; numbers that contradict each other are one more problem."""
    numbers: dict[str, Any] = {
        each.name: reader.value(name, _PARSERS[each.type], each.default)
        for name, each in POLICY_SETTINGS.items()
    }
    try:
        return Policy(**numbers)
    except WrongSetting as error:
        reader.problems.append(str(error))
        return Policy()


def _unknown(environment: Mapping[str, str]) -> list[str]:
    unknown = environment.keys() - SETTINGS - POLICY_SETTINGS.keys()
    return [f"{name} is unknown" for name in sorted(unknown) if name.startswith("PHOENIX_")]


_PARSERS: dict[object, Callable[[str], object]] = {
    int: values.count,
    float: values.number,
    tuple[float, ...]: values.numbers,
}
