"""The attempts of one process, as threads: each gets its own media, whatever they share."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from shared import settings
from shared.adapters.google_models import image_generator
from shared.adapters.google_models.media import decode_media
from shared.adapters.system.clock import SystemClock
from shared.domain.errors import GenerationUnavailable, StartOutcomeUnknown
from shared.domain.kind import Kind
from shared.domain.policy import Policy
from shared.heavy_work import HEAVY_WORK
from shared.ports.generator import Generator, Operation, Ready
from shared.settings import GCPBackend
from shared.wiring.generators import GoogleGenerators
from tests.adapters.google_models import Google, by_id, start
from tests.servers.google_models_variants import IMAGE, VARIANTS, VEO, Variant
from tests.servers.google_models_vendor import Vendor, Work
from tests.support.builders import a_brief, a_creation_id
from tests.support.environments import GCP

ATTEMPTS = Policy().images_at_once
PROMPTS = [f"fox {number}" for number in range(ATTEMPTS)]
MEDIA_BYTES = 300_000
"""Several reads from a socket, so that answers arrive at the same time."""


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


def test_answer_with_an_image_is_parsed_as_heavy_work(
    shared_google: Google, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[bool] = []

    def decode(text: object) -> bytes:
        seen.append(HEAVY_WORK.locked())
        return decode_media(text)

    monkeypatch.setattr(image_generator, "decode_media", decode)

    assert generated(shared_google.generator(IMAGE), Kind.IMAGE, "fox", tmp_path) == "fox"
    assert seen == [True]
    assert not HEAVY_WORK.locked()


def test_answer_that_cannot_be_parsed_ends_the_heavy_work(shared_google: Google) -> None:
    shared_google.vendor.faults = {"start": ["nonsense"]}

    with pytest.raises(StartOutcomeUnknown):
        start(shared_google.generator(IMAGE), Kind.IMAGE)

    assert not HEAVY_WORK.locked()
