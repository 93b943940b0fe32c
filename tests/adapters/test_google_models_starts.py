"""The response table, row by row: starts are one request with a known outcome."""

import signal
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest
from google.auth.exceptions import RefreshError, TransportError
from google.oauth2.credentials import Credentials

from shared.adapters.google_models.client import CloudProject, Connection
from shared.adapters.google_models.image_generator import GeminiImageGenerator
from shared.adapters.google_models.omni_generator import OmniVideoGenerator
from shared.adapters.google_models.responses import retry_after_s
from shared.adapters.google_models.veo_generator import VeoVideoGenerator
from shared.domain.errors import (
    GenerationRefused,
    GenerationUnavailable,
)
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.ports.generator import Operation, Ready, Running
from tests.adapters.google_models import (
    BUSY,
    ONE,
    OURS,
    REJECTED,
    UNAVAILABLE,
    UNKNOWN,
    UNUSABLE,
    Google,
    by_id,
    outcome,
    start,
)
from tests.servers.firestore_emulator import free_port
from tests.servers.google_models_variants import (
    BUCKET,
    IMAGE,
    IMAGE_KEY,
    OMNI,
    OMNI_KEY,
    VARIANTS,
    VEO,
    VEO_BUCKET,
    Variant,
)
from tests.servers.google_models_vendor import SECRET_TEXT
from tests.support.builders import a_brief
from tests.support.eventually import eventually

# A start is always one request


STARTS = [
    ("400", REJECTED, 0),
    ("401", OURS, 0),
    ("402", OURS, 0),
    ("403", OURS, 0),
    ("404", OURS, 0),
    ("429", BUSY, 0),
    ("503", UNAVAILABLE, 0),
    ("408", UNKNOWN, 0),
    ("409", UNKNOWN, 0),
    ("422", UNKNOWN, 0),
    ("499", UNKNOWN, 0),
    ("500", UNKNOWN, 0),
    ("501", UNKNOWN, 0),
    ("502", UNKNOWN, 0),
    ("504", UNKNOWN, 0),
    ("529", UNKNOWN, 0),
    ("redirect", UNKNOWN, 0),
    ("reset", UNKNOWN, 0),
    ("lost", UNKNOWN, 1),
    ("hang", UNKNOWN, 1),
    ("drip", UNKNOWN, 1),
    ("empty", UNKNOWN, 1),
    ("half", UNKNOWN, 1),
    ("nonsense", UNKNOWN, 1),
    ("nameless", UNKNOWN, 1),
    ("gzipped", UNKNOWN, 1),
    ("deep", UNKNOWN, 1),
]


@by_id([VEO, OMNI, OMNI_KEY, IMAGE, IMAGE_KEY])
@pytest.mark.parametrize(("fault", "expected", "accepted"), STARTS)
def test_start_is_one_request_with_a_known_outcome(
    google: Google, variant: Variant, fault: str, expected: Any, accepted: int
) -> None:
    google.vendor.faults["start"] = [fault]

    assert outcome(google.generator(variant, fault), variant.kind) == expected
    assert google.vendor.starts == accepted
    assert len(google.vendor.requests) == 1


@by_id([VEO, OMNI, OMNI_KEY, IMAGE, IMAGE_KEY])
@pytest.mark.parametrize("answer", ["created", "identity"])
def test_any_2xx_status_and_identity_encoding_are_accepted(
    google: Google, variant: Variant, answer: str
) -> None:
    google.vendor.faults |= {"start": [answer], "poll": [answer]}
    generator = google.generator(variant)

    begun = start(generator, variant.kind)

    assert isinstance(begun if isinstance(begun, Ready) else generator.poll(begun), Ready | Running)
    assert len(google.vendor.requests) == (1 if variant.kind is Kind.IMAGE else 2)


@by_id([VEO, OMNI_KEY, IMAGE])
def test_oversized_start_response_is_bad_output(google: Google, variant: Variant) -> None:
    google.vendor.faults["start"] = ["huge"]

    assert outcome(google.generator(variant), variant.kind) == UNUSABLE
    assert len(google.vendor.requests) == 1


def test_image_without_content_length_is_read_up_to_its_limit(
    google: Google,
) -> None:
    google.vendor.faults["start"] = ["endless"]

    assert outcome(google.generator(IMAGE), Kind.IMAGE) == UNUSABLE


@by_id([OMNI_KEY, IMAGE, IMAGE_KEY])
def test_blocked_prompt_is_a_policy_violation(google: Google, variant: Variant) -> None:
    generator = google.generator(variant)

    with pytest.raises(GenerationRefused) as raised:
        generator.start(a_brief(variant.kind, "[refuse]"), creation_id=ONE, attempt=1)

    assert raised.value.failure is FailureCode.POLICY_VIOLATION
    assert google.vendor.starts == 0


@by_id([VEO, VEO_BUCKET, OMNI])
def test_block_without_an_error_code_is_a_rejection(google: Google, variant: Variant) -> None:
    generator = google.generator(variant)

    with pytest.raises(GenerationRefused) as raised:
        generator.start(a_brief(variant.kind, "[refuse]"), creation_id=ONE, attempt=1)

    assert raised.value.failure is FailureCode.GENERATOR_REJECTED
    assert google.vendor.starts == 0


@by_id(VARIANTS)
def test_rate_limited_start_returns_retry_after(google: Google, variant: Variant) -> None:
    google.vendor.faults["start"] = ["429:37"]

    with pytest.raises(GenerationUnavailable) as raised:
        start(google.generator(variant), variant.kind)

    assert raised.value.retry_after_s == 37
    assert SECRET_TEXT in raised.value.reason


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("0", 0),
        ("-5", 0),
        ("nan", 0),
        ("inf", 3600),
        ("1e9", 3600),
        ("2.5", 2.5),
        ("soon", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
    ],
)
def test_retry_after_is_parsed_and_bounded(header: str | None, seconds: float) -> None:
    assert retry_after_s(header) == seconds


# No connection


@contextmanager
def resetting() -> Iterator[str]:
    """Listen at an https URL and reset every connection during its handshake.

    An earlier reset would sometimes leak the client's socket.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.recv(1)
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@by_id(VARIANTS)
def test_refused_connection_starts_nothing(variant: Variant) -> None:
    assert outcome(variant.open(f"http://127.0.0.1:{free_port()}"), variant.kind) == UNAVAILABLE


@by_id(VARIANTS)
def test_reset_before_the_request_starts_nothing(variant: Variant) -> None:
    with resetting() as url:
        assert outcome(variant.open(url), variant.kind) == UNAVAILABLE


@by_id(VARIANTS)
def test_failed_tls_handshake_starts_nothing(google: Google, variant: Variant) -> None:
    url = google.server.url.replace("http:", "https:")

    assert outcome(variant.open(url), variant.kind) == UNAVAILABLE
    assert google.vendor.requests == []


class Expired(Credentials):
    """Credentials that cannot be refreshed."""

    def __init__(self) -> None:
        super().__init__(token=None)  # type: ignore[no-untyped-call]  # it ships no types

    def refresh(self, request: object) -> NoReturn:
        raise RefreshError(SECRET_TEXT)  # type: ignore[no-untyped-call]  # it ships no types


class Unreachable(Credentials):
    """Credentials whose server is unreachable, which the SDK treats as transient."""

    def __init__(self) -> None:
        super().__init__(token=None)  # type: ignore[no-untyped-call]  # it ships no types
        self.refreshes = 0

    def refresh(self, request: object) -> NoReturn:
        self.refreshes += 1
        raise TransportError(SECRET_TEXT)  # type: ignore[no-untyped-call]  # it ships no types


def expired(google: Google) -> Connection:
    access = CloudProject("p", bucket=BUCKET, credentials=Expired())
    return Connection(access=access, base_url=google.server.url, storage_url=google.server.url)


def test_missing_access_token_starts_nothing(google: Google) -> None:
    generator = GeminiImageGenerator(IMAGE.card, expired(google))

    assert outcome(generator, Kind.IMAGE) == UNAVAILABLE
    assert google.vendor.requests == []


def test_access_token_is_requested_once(google: Google) -> None:
    credentials = Unreachable()
    access = CloudProject("p", credentials=credentials)
    connection = Connection(access=access, base_url=google.server.url)

    assert outcome(GeminiImageGenerator(IMAGE.card, connection), Kind.IMAGE) == UNAVAILABLE
    assert outcome(OmniVideoGenerator(OMNI.card, connection), Kind.VIDEO) == UNAVAILABLE
    assert credentials.refreshes == 2
    assert google.vendor.requests == []


def test_read_without_an_access_token_can_be_retried(google: Google) -> None:
    generator = VeoVideoGenerator(VEO.card, expired(google))

    with pytest.raises(GenerationUnavailable):
        generator.poll(Operation("projects/p/operations/1"))
    with pytest.raises(GenerationUnavailable):
        generator.find_output(ONE, attempt=1)
    assert google.vendor.requests == []


@by_id([IMAGE, OMNI, VEO])
def test_termination_interrupts_a_start(google: Google, variant: Variant) -> None:
    google.vendor.faults["start"] = ["hang"]

    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    def stop_process() -> None:
        eventually(lambda: google.vendor.requests)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)

    generator, stopping = google.generator(variant), threading.Thread(target=stop_process)
    before = signal.signal(signal.SIGALRM, stop)
    try:
        stopping.start()
        with pytest.raises(KeyboardInterrupt):
            start(generator, variant.kind)
    finally:
        stopping.join()
        signal.signal(signal.SIGALRM, before)

    assert len(google.vendor.requests) == 1
