"""The attempts of one process, as threads: each gets its own media, whatever they share."""

import base64
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared import settings
from shared.adapters.google_models.client import LIGHT_BYTES_MAX
from shared.adapters.system.clock import SystemClock
from shared.domain.errors import BadOutput, GenerationRefused, GenerationUnavailable, LeaseLost
from shared.domain.kind import Kind
from shared.domain.policy import Policy
from shared.heavy_work import checked_by, heavy_work
from shared.ports.generator import Generator, Operation, Ready, Running
from shared.settings import GCPBackend
from shared.wiring.generators import GoogleGenerators
from tests.adapters.google_models import Google, by_id, start
from tests.servers.google_models_variants import IMAGE, IMAGE_KEY, OMNI, VARIANTS, VEO, Variant
from tests.servers.google_models_vendor import Vendor, Work
from tests.support.builders import a_brief, a_creation_id
from tests.support.environments import GCP

ATTEMPTS = Policy().images_at_once
PROMPTS = [f"fox {number}" for number in range(ATTEMPTS)]
MEDIA_BYTES = 300_000
"""Several reads from a socket, so that answers arrive at the same time, and heavy to parse."""
PARSING_S = 0.01
WITH_MEDIA = [VEO, OMNI, IMAGE, IMAGE_KEY]
"""Their answers hold the media."""


class VendorOfOwnMedia(Vendor):
    """Makes of each prompt a file of its own."""

    def media(self, work: Work) -> bytes:
        return media_of(work.prompt)


def media_of(prompt: str) -> bytes:
    return f"{prompt}|".encode() * (MEDIA_BYTES // (len(prompt) + 1))


def prompt_of(media: bytes) -> str:
    """Return the prompt of a file that is one attempt's from beginning to end."""
    prompt = media.partition(b"|")[0].decode()
    return prompt if media == media_of(prompt) else "a mixture"


@pytest.fixture
def shared_google(google: Google) -> Google:
    google.server.vendor = VendorOfOwnMedia(takes_s=0)
    return google


def generated(generator: Generator, kind: Kind, prompt: str, folder: Path) -> str:
    """Return the prompt of the media that one attempt gets."""
    creation_id, path = a_creation_id(prompt), folder / prompt
    begun = generator.start(a_brief(kind, prompt), creation_id=creation_id, attempt=1)
    state = generator.poll(begun) if isinstance(begun, Operation) else begun
    assert isinstance(state, Ready)
    generator.fetch(state, path, size_bytes_max=MEDIA_BYTES)
    if isinstance(begun, Operation):
        generator.discard(begun)
    return prompt_of(path.read_bytes())


def generated_together(generators: list[Generator], kind: Kind, folder: Path) -> list[str]:
    """Run one attempt with each generator, all at the same time."""
    together = threading.Barrier(len(generators))

    def attempt(generator: Generator, prompt: str) -> str:
        together.wait()
        return generated(generator, kind, prompt, folder)

    with ThreadPoolExecutor(len(generators)) as threads:
        return list(threads.map(attempt, generators, PROMPTS))


@by_id(VARIANTS)
def test_each_attempt_gets_its_own_media_from_a_client_of_its_own(
    shared_google: Google, variant: Variant, tmp_path: Path
) -> None:
    generators = [shared_google.generator(variant) for _ in range(ATTEMPTS)]

    assert generated_together(generators, variant.kind, tmp_path) == PROMPTS
    assert shared_google.vendor.starts == ATTEMPTS


@by_id(VARIANTS)
def test_each_attempt_gets_its_own_media_from_a_shared_client(
    shared_google: Google, variant: Variant, tmp_path: Path
) -> None:
    generators = [shared_google.generator(variant)] * ATTEMPTS

    assert generated_together(generators, variant.kind, tmp_path) == PROMPTS
    assert shared_google.vendor.starts == ATTEMPTS


@by_id([IMAGE, VEO])
def test_failed_start_of_one_attempt_fails_no_other(
    shared_google: Google, variant: Variant, tmp_path: Path
) -> None:
    generator, failing = shared_google.generator(variant), PROMPTS[3]
    shared_google.vendor.faults = {f"start:{failing}": ["429:7"]}

    def attempt(prompt: str) -> str:
        try:
            return generated(generator, variant.kind, prompt, tmp_path)
        except GenerationUnavailable:
            return "unavailable"

    with ThreadPoolExecutor(ATTEMPTS) as threads:
        made = list(threads.map(attempt, PROMPTS))

    assert made == ["unavailable" if prompt == failing else prompt for prompt in PROMPTS]


@pytest.mark.parametrize("kind", Kind)
def test_generators_opened_at_the_same_time_are_one_for_each_attempt(
    shared_google: Google, kind: Kind, tmp_path: Path
) -> None:
    backend = settings.load(GCP).backend
    assert isinstance(backend, GCPBackend)
    endpoints = replace(backend.endpoints, generator=shared_google.server.url)
    opened = GoogleGenerators(replace(backend, endpoints=endpoints), SystemClock())
    together = threading.Barrier(ATTEMPTS)

    def open_together(_: int) -> Generator:
        together.wait()
        return opened.open(kind)

    with ThreadPoolExecutor(ATTEMPTS) as threads:
        generators = list(threads.map(open_together, range(ATTEMPTS)))

    assert len({id(each) for each in generators}) == ATTEMPTS
    assert generated_together(generators, kind, tmp_path) == PROMPTS


class Counted:
    """Counts the threads that parse a large answer, or decode its media, at the same time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls, self.most_at_once, self._inside = 0, 0, 0
        self._counting = threading.Lock()
        for module, name in ((json, "loads"), (base64, "b64decode")):
            monkeypatch.setattr(module, name, self._counted(getattr(module, name)))

    def _counted(self, parse: Callable[..., Any]) -> Callable[..., Any]:
        def counted(text: Any, *arguments: Any, **options: Any) -> Any:
            if len(text) <= LIGHT_BYTES_MAX:
                return parse(text, *arguments, **options)
            self._count(1)
            try:
                threading.Event().wait(PARSING_S)
                return parse(text, *arguments, **options)
            finally:
                self._count(-1)

        return counted

    def _count(self, one: int) -> None:
        with self._counting:
            self._inside += one
            self.calls += one > 0
            self.most_at_once = max(self.most_at_once, self._inside)


@by_id(WITH_MEDIA)
def test_answers_with_media_are_parsed_one_at_a_time(
    shared_google: Google, variant: Variant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counted = Counted(monkeypatch)
    generators = [shared_google.generator(variant) for _ in range(ATTEMPTS)]

    assert generated_together(generators, variant.kind, tmp_path) == PROMPTS
    assert counted.calls == ATTEMPTS * (2 if variant.kind is Kind.IMAGE else 3)
    assert counted.most_at_once == 1


@by_id([VEO, OMNI])
def test_poll_of_a_running_video_waits_for_no_heavy_work(
    shared_google: Google, variant: Variant
) -> None:
    shared_google.vendor.takes_s = 600
    generator = shared_google.generator(variant)
    begun = start(generator, variant.kind)
    assert isinstance(begun, Operation)

    with heavy_work():
        assert isinstance(generator.poll(begun), Running)


@by_id(WITH_MEDIA)
def test_attempt_that_has_lost_its_lease_parses_nothing(
    shared_google: Google, variant: Variant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counted, generator = Counted(monkeypatch), shared_google.generator(variant)
    steps: list[Callable[[], object]] = [lambda: start(generator, variant.kind)]
    if variant.kind is Kind.VIDEO:
        begun = start(generator, variant.kind)
        assert isinstance(begun, Operation)
        ready = Ready(begun.name)
        steps = [
            lambda: generator.poll(begun),
            lambda: generator.fetch(ready, tmp_path / "file", size_bytes_max=MEDIA_BYTES),
        ]

    def lost() -> None:
        raise LeaseLost(creation_id="c")

    for step in steps:
        with heavy_work(), checked_by(lost), pytest.raises(LeaseLost):
            step()
    assert counted.calls == 0


@by_id(WITH_MEDIA)
def test_answer_that_cannot_be_parsed_ends_the_heavy_work(
    shared_google: Google, variant: Variant, tmp_path: Path
) -> None:
    shared_google.vendor.inline = lambda _: "%" * MEDIA_BYTES

    with pytest.raises((BadOutput, GenerationRefused)):
        generated(shared_google.generator(variant), variant.kind, "fox", tmp_path)

    with heavy_work(lambda: pytest.fail("it has to wait")):
        pass
