"""Helpers for the tests of Google's models."""

from dataclasses import dataclass
from typing import Any

import pytest

from shared.domain.errors import (
    GenerationRefused,
    GenerationUnavailable,
    StartOutcomeUnknown,
    WorkError,
)
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.ports.generator import Generator, Operation, Ready, Refused, Running
from tests.servers.google_models_server import GoogleModelsServer
from tests.servers.google_models_variants import Variant
from tests.servers.google_models_vendor import SECRET_TEXT, Vendor
from tests.support.builders import a_brief, a_creation_id
from tests.support.fakes import FakeClock

ONE = a_creation_id()
SLOW_TIMEOUT_S = 0.6
SLOW_FAULTS = {"hang", "drip"}
"""Faults that need a short timeout."""
UNKNOWN = StartOutcomeUnknown
UNAVAILABLE = (GenerationUnavailable, FailureCode.GENERATOR_UNAVAILABLE)
BUSY = (GenerationUnavailable, FailureCode.GENERATOR_RATE_LIMITED)
REJECTED = (GenerationRefused, FailureCode.GENERATOR_REJECTED)
OURS = (GenerationRefused, FailureCode.INTERNAL)
UNUSABLE = (GenerationRefused, FailureCode.GENERATOR_BAD_OUTPUT)


@dataclass
class Google:
    """The server and its clock."""

    server: GoogleModelsServer
    clock: FakeClock

    @property
    def vendor(self) -> Vendor:
        return self.server.vendor

    def generator(self, variant: Variant, fault: str = "") -> Generator:
        timeout_s = SLOW_TIMEOUT_S if fault in SLOW_FAULTS else 10
        return variant.open(self.server.url, timeout_s=timeout_s)


def start(generator: Generator, kind: Kind) -> Operation | Ready:
    return generator.start(a_brief(kind, "a fox"), creation_id=ONE, attempt=1)


def outcome(generator: Generator, kind: Kind) -> Any:
    """Return the type of a start's error, with its failure code if any."""
    with pytest.raises(WorkError) as raised:
        start(generator, kind)
    error = raised.value
    assert SECRET_TEXT not in str(error)
    if isinstance(error, GenerationRefused | GenerationUnavailable):
        return type(error), error.failure
    return type(error)


def by_id(variants: list[Variant]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("variant", [pytest.param(each, id=each.id) for each in variants])


def polled(google: Google, variant: Variant) -> Running | Ready | Refused:
    """Return the state of a work after its duration."""
    generator = google.generator(variant)
    begun = start(generator, variant.kind)
    assert isinstance(begun, Operation)
    google.clock.sleep(600)
    return generator.poll(begun)


def ready(google: Google, variant: Variant) -> Ready:
    state = polled(google, variant)
    assert isinstance(state, Ready)
    return state
