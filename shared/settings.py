"""What a process is told by its environment, checked before anything starts.

Everything that is wrong is named at once, in one line, by its variable.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from shared.domain.errors import WrongSetting
from shared.domain.policy import Costs, Policy

ValueT = TypeVar("ValueT")

DEFAULT_PORT = 8080
DEFAULT_DATA = ".phoenix"
LOCAL_WELCOME_TOKENS = 100

POLICY_SETTINGS = {f"PHOENIX_POLICY_{field.name.upper()}": field for field in fields(Policy)}
SETTINGS = {
    "PHOENIX_BACKEND": "where it runs: `local` is this machine",
    "PHOENIX_DATA": "local: the folder of everything that is kept",
    "PHOENIX_BASE_URL": "the address that clients use; links begin with it",
    "PHOENIX_CORS_ORIGINS": "origins, separated by commas, whose pages may call the API",
    "PHOENIX_WELCOME_TOKENS": "tokens of a new account",
    "PHOENIX_IMAGE_COST": "tokens for one image",
    "PHOENIX_VIDEO_COST": "tokens for one video",
    "PHOENIX_REQUIRE": "tests only: parts of the machine that must be there",
}
"""Every variable that is known, beside `POLICY_SETTINGS`."""


@dataclass(frozen=True)
class LocalBackend:
    """Everything on this machine, under one folder."""

    data: Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A checked environment; `environment` itself is what a job's process is given."""

    backend: LocalBackend
    base_url: str
    cors_origins: tuple[str, ...]
    welcome_tokens: int
    costs: Costs
    policy: Policy
    environment: Mapping[str, str] = field(repr=False)


def load(environment: Mapping[str, str]) -> Settings:
    """Return the settings, or raise one `WrongSetting` that names everything that is wrong."""
    reader = _Reader(environment)
    settings = Settings(
        backend=LocalBackend(Path(reader.value("PHOENIX_DATA", DEFAULT_DATA, str)).absolute()),
        base_url=reader.value("PHOENIX_BASE_URL", f"http://127.0.0.1:{DEFAULT_PORT}", _address),
        cors_origins=reader.value("PHOENIX_CORS_ORIGINS", (), _words),
        welcome_tokens=reader.value("PHOENIX_WELCOME_TOKENS", LOCAL_WELCOME_TOKENS, _count),
        costs=reader.costs(),
        policy=reader.policy(),
        environment=environment,
    )
    problems = [*reader.problems, *_misplaced(environment)]
    if problems:
        raise WrongSetting(setting="settings", reason="; ".join(problems))
    return settings


def is_in_cloud(environment: Mapping[str, str]) -> bool:
    """Tell whether Cloud Run started this process; a local job's name holds a slash."""
    job = environment.get("CLOUD_RUN_JOB", "local/")
    return "K_SERVICE" in environment or not job.startswith("local/")


def _misplaced(environment: Mapping[str, str]) -> list[str]:
    """Return what must not be set like this, here."""
    known = SETTINGS.keys() | POLICY_SETTINGS.keys()
    problems = [
        f"{name} is unknown"
        for name in sorted(environment)
        if name.startswith("PHOENIX_") and name not in known
    ]
    if environment.get("PHOENIX_BACKEND", "local") != "local":
        problems.append("PHOENIX_BACKEND must be local")
    elif is_in_cloud(environment):
        problems.append("PHOENIX_BACKEND must not be local in the cloud")
    return problems


@dataclass(frozen=True)
class _Reader:
    """Reads typed values and collects what is wrong with them."""

    environment: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def value(self, name: str, default: ValueT, parse: Callable[[str], ValueT]) -> ValueT:
        """Return a variable's value, or the default if it is not set or not usable."""
        text = self.environment.get(name)
        if text is None:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(f"{name} is not usable: {error}")
            return default

    def costs(self) -> Costs:
        """Return the prices."""
        return Costs(
            image_tokens=self.value("PHOENIX_IMAGE_COST", Costs.image_tokens, _price),
            video_tokens=self.value("PHOENIX_VIDEO_COST", Costs.video_tokens, _price),
        )

    def policy(self) -> Policy:
        """Return the policy; numbers that do not fit together are one more problem."""
        values: dict[str, Any] = {
            policy_field.name: self.value(name, policy_field.default, _PARSERS[policy_field.type])
            for name, policy_field in POLICY_SETTINGS.items()
        }
        try:
            return Policy(**values)
        except WrongSetting as error:
            self.problems.append(str(error))
            return Policy()


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("begin with http:// or https://")
    return text.rstrip("/")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("use a whole number from 0 on")
    return int(text)


def _price(text: str) -> int:
    if _count(text) == 0:
        raise ValueError("use a whole number from 1 on")
    return int(text)


_PARSERS: dict[object, Callable[[str], object]] = {
    int: _count,
    float: float,
    tuple[float, ...]: lambda text: tuple(float(word) for word in _words(text)),
}
