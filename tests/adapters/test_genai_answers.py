"""The table of answers, row by row, against a server that speaks the wire protocol."""

import signal
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials

from jobs.attempt import Terminated
from jobs.image_generation_job.pipeline import ImagePipeline
from jobs.video_generation_job.pipeline import VideoPipeline
from shared.adapters.gemini_image_generator import GeminiImageGenerator
from shared.adapters.genai_answers import retry_after_s
from shared.adapters.genai_client import CloudProject, Connection
from shared.adapters.veo_video_generator import VeoVideoGenerator
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    StartOutcomeUnknown,
    WorkError,
)
from shared.domain.failure import FailureCode
from shared.domain.policy import IMAGE_SIZE_BYTES_MAX, VIDEO_SIZE_BYTES_MAX, Kind
from shared.ports.generator import (
    CannotTell,
    Generator,
    NotFound,
    Operation,
    Ready,
    Refused,
    Running,
)
from tests.builders import a_brief, a_creation_id
from tests.fakes import FakeClock
from tests.genai_makers import (
    BUCKET,
    IMAGE,
    IMAGE_KEY,
    MAKERS,
    OMNI,
    OMNI_BUCKET,
    OMNI_KEY,
    VEO,
    VEO_BUCKET,
    VIDEO_MAKERS,
    Maker,
)
from tests.genai_server import GenaiServer
from tests.genai_vendor import POLICY_TEXT, SECRET_TEXT, Vendor

ONE = a_creation_id()
PATIENCE_S = 0.4
SLOW_FAULTS = {"hang", "drip"}
"""Where the server keeps an adapter waiting, it waits so long."""
UNKNOWN = StartOutcomeUnknown
UNAVAILABLE = (GenerationUnavailable, FailureCode.GENERATOR_UNAVAILABLE)
BUSY = (GenerationUnavailable, FailureCode.GENERATOR_RATE_LIMITED)
REJECTED = (GenerationRefused, FailureCode.GENERATOR_REJECTED)
OURS = (GenerationRefused, FailureCode.INTERNAL)
UNUSABLE = (GenerationRefused, FailureCode.GENERATOR_BAD_OUTPUT)


@dataclass
class Google:
    """The server, its clock, and how to reach it."""

    server: GenaiServer
    clock: FakeClock

    @property
    def vendor(self) -> Vendor:
        return self.server.vendor

    def generator(self, maker: Maker, fault: str = "") -> Generator:
        timeout_s = PATIENCE_S if fault in SLOW_FAULTS else 10
        return maker.make(self.server.url, timeout_s=timeout_s)


@pytest.fixture(scope="module")
def server() -> Iterator[GenaiServer]:
    with GenaiServer() as server:
        yield server


@pytest.fixture
def google(server: GenaiServer) -> Iterator[Google]:
    clock = FakeClock()
    server.vendor = Vendor(clock=lambda: clock.now().timestamp(), draw=lambda *_: b"small media")
    yield Google(server, clock)
    server.vendor.closing.set()


def start(generator: Generator, kind: Kind) -> Operation | Ready:
    return generator.start(a_brief(kind, "a fox"), creation_id=ONE, attempt=1)


def outcome(generator: Generator, kind: Kind) -> Any:
    """Return what a start raises: its type, and its failure where it has one."""
    with pytest.raises(WorkError) as raised:
        start(generator, kind)
    error = raised.value
    assert SECRET_TEXT not in str(error)
    if isinstance(error, GenerationRefused | GenerationUnavailable):
        return type(error), error.failure
    return type(error)


def by_id(makers: list[Maker]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("maker", [pytest.param(each, id=each.id) for each in makers])


# A start is one request, whatever it meets


STARTS = [
    ("400", REJECTED, 0),
    ("401", OURS, 0),
    ("402", OURS, 0),
    ("403", OURS, 0),
    ("404", OURS, 0),
    ("408", UNAVAILABLE, 0),
    ("409", UNAVAILABLE, 0),
    ("422", REJECTED, 0),
    ("429", BUSY, 0),
    ("500", UNAVAILABLE, 0),
    ("502", UNAVAILABLE, 0),
    ("503", UNAVAILABLE, 0),
    ("504", UNAVAILABLE, 0),
    ("529", UNAVAILABLE, 0),
    ("redirect", OURS, 0),
    ("reset", UNKNOWN, 0),
    ("lost", UNKNOWN, 1),
    ("hang", UNKNOWN, 1),
    ("drip", UNKNOWN, 1),
    ("empty", UNKNOWN, 1),
    ("half", UNKNOWN, 1),
    ("nonsense", UNKNOWN, 1),
    ("gzipped", UNKNOWN, 1),
]


@by_id([VEO, OMNI, OMNI_KEY, IMAGE, IMAGE_KEY])
@pytest.mark.parametrize(("fault", "expected", "accepted"), STARTS)
def test_a_start(google: Google, maker: Maker, fault: str, expected: Any, accepted: int) -> None:
    google.vendor.faults["start"] = [fault]

    assert outcome(google.generator(maker, fault), maker.kind) == expected
    assert google.vendor.starts == accepted
    assert len(google.vendor.requests) == 1


@by_id([VEO, OMNI_KEY, IMAGE])
def test_three_hundred_megabytes_are_no_answer_to_a_start(google: Google, maker: Maker) -> None:
    google.vendor.faults["start"] = ["huge"]

    assert outcome(google.generator(maker), maker.kind) == UNUSABLE
    assert len(google.vendor.requests) == 1


def test_an_image_whose_size_is_not_told_is_read_no_further_than_it_may_be_large(
    google: Google,
) -> None:
    google.vendor.faults["start"] = ["endless"]

    assert outcome(google.generator(IMAGE), Kind.IMAGE) == UNUSABLE


@by_id(VIDEO_MAKERS)
def test_a_start_whose_answer_names_nothing_may_be_running(google: Google, maker: Maker) -> None:
    google.vendor.faults["start"] = ["nameless"]

    assert outcome(google.generator(maker), maker.kind) == UNKNOWN
    assert google.vendor.starts == 1


@by_id(MAKERS)
def test_a_prompt_against_the_policy_is_refused_as_such(google: Google, maker: Maker) -> None:
    generator = google.generator(maker)

    with pytest.raises(GenerationRefused) as raised:
        generator.start(a_brief(maker.kind, "[refuse]"), creation_id=ONE, attempt=1)

    assert raised.value.failure is FailureCode.POLICY_VIOLATION
    assert google.vendor.starts == 0


@by_id(MAKERS)
def test_a_busy_vendor_says_when_to_come_again(google: Google, maker: Maker) -> None:
    google.vendor.faults["start"] = ["429:37"]

    with pytest.raises(GenerationUnavailable) as raised:
        start(google.generator(maker), maker.kind)

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
def test_retry_after_is_a_number_that_can_be_waited_for(header: str | None, seconds: float) -> None:
    assert retry_after_s(header) == seconds


# No connection


@contextmanager
def resetting() -> Iterator[str]:
    """Listen at an https address that resets every connection before a word is said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


@by_id(MAKERS)
def test_a_refused_connection_has_started_nothing(maker: Maker) -> None:
    assert outcome(maker.make(f"http://127.0.0.1:{free_port()}"), maker.kind) == UNAVAILABLE


@by_id(MAKERS)
def test_a_reset_before_the_request_was_sent_has_started_nothing(maker: Maker) -> None:
    with resetting() as url:
        assert outcome(maker.make(url), maker.kind) == UNAVAILABLE


@by_id(MAKERS)
def test_an_address_without_tls_has_started_nothing(google: Google, maker: Maker) -> None:
    url = google.server.url.replace("http:", "https:")

    assert outcome(maker.make(url), maker.kind) == UNAVAILABLE
    assert google.vendor.requests == []


class Expired(Credentials):
    """Credentials that cannot be renewed."""

    def __init__(self) -> None:
        super().__init__(token=None)  # type: ignore[no-untyped-call]  # it ships no types

    def refresh(self, request: object) -> NoReturn:
        raise RefreshError(SECRET_TEXT)  # type: ignore[no-untyped-call]  # it ships no types


def expired(google: Google) -> Connection:
    access = CloudProject("p", bucket=BUCKET, credentials=Expired())
    return Connection(access=access, base_url=google.server.url, storage_url=google.server.url)


def test_without_an_access_token_nothing_is_started(google: Google) -> None:
    generator = GeminiImageGenerator(IMAGE.card, expired(google))

    assert outcome(generator, Kind.IMAGE) == UNAVAILABLE
    assert google.vendor.requests == []


def test_without_an_access_token_it_is_asked_again(google: Google) -> None:
    generator = VeoVideoGenerator(VEO.card, expired(google))

    with pytest.raises(GenerationUnavailable):
        generator.poll(Operation("projects/p/operations/1"))
    with pytest.raises(GenerationUnavailable):
        generator.find_output(ONE, attempt=1)
    assert google.vendor.requests == []


@by_id([IMAGE, OMNI, VEO])
def test_a_stop_of_the_process_goes_through_a_start(google: Google, maker: Maker) -> None:
    google.vendor.faults["start"] = ["hang"]

    def stop(*_: object) -> NoReturn:
        raise Terminated

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
        with pytest.raises(Terminated):
            start(google.generator(maker), maker.kind)
    finally:
        signal.signal(signal.SIGALRM, before)

    assert len(google.vendor.requests) == 1


# What an accepted work comes to


def refused(failure: FailureCode, *, is_transient: bool = False) -> Refused:
    return Refused(failure, is_transient=is_transient)


LATER = [
    refused(FailureCode.GENERATOR_RATE_LIMITED, is_transient=True),
    refused(FailureCode.GENERATOR_UNAVAILABLE, is_transient=True),
]
BAD = refused(FailureCode.GENERATOR_BAD_OUTPUT)
POLICY = refused(FailureCode.POLICY_VIOLATION)
ENDS_OF_VEO = [
    ("error:8:quota", LATER[0]),
    ("error:13:oops", LATER[1]),
    ("error:14:busy", LATER[1]),
    (f"error:3:{POLICY_TEXT}", POLICY),
    ("error:3:bad duration", refused(FailureCode.GENERATOR_REJECTED)),
    ("error:4:too late", BAD),
    ("error:2:who knows", BAD),
    ("nothing", BAD),
    ("filtered", refused(FailureCode.SAFETY_FILTER)),
    ("filtered-nested", refused(FailureCode.SAFETY_FILTER)),
    ("never", Running()),
]
ENDS_OF_OMNI = [
    ("error:RESOURCE_EXHAUSTED:quota", LATER[0]),
    ("error:google.rpc/Unavailable:busy", LATER[1]),
    ("error:13:oops", LATER[1]),
    (f"error:invalid_argument:{POLICY_TEXT}", POLICY),
    ("error:invalid_argument:bad duration", refused(FailureCode.GENERATOR_REJECTED)),
    ("error:strange:who knows", BAD),
    ("nothing", BAD),
    ("status:failed", BAD),
    ("status:cancelled", BAD),
    ("status:incomplete", BAD),
    ("status:requires_action", BAD),
    ("status:budget_exceeded", BAD),
    ("status:queued", Running()),
    ("status:requires_continuation", Running()),
    ("status:a_new_word", Running()),
    ("never", Running()),
]


def polled(google: Google, maker: Maker) -> Running | Ready | Refused:
    """Return the state of a work that has had its time."""
    generator = google.generator(maker)
    begun = start(generator, maker.kind)
    assert isinstance(begun, Operation)
    google.clock.sleep(600)
    return generator.poll(begun)


@by_id([VEO, VEO_BUCKET])
@pytest.mark.parametrize(("end", "expected"), ENDS_OF_VEO)
def test_an_operation_ends(google: Google, maker: Maker, end: str, expected: Any) -> None:
    google.vendor.ends = [end]

    state = polled(google, maker)

    assert (replace(state, reason="") if isinstance(state, Refused) else state) == expected
    assert google.vendor.starts == 1


@by_id([OMNI, OMNI_BUCKET, OMNI_KEY])
@pytest.mark.parametrize(("end", "expected"), ENDS_OF_OMNI)
def test_an_interaction_ends(google: Google, maker: Maker, end: str, expected: Any) -> None:
    google.vendor.ends = [end]

    state = polled(google, maker)

    assert (replace(state, reason="") if isinstance(state, Refused) else state) == expected
    assert google.vendor.starts == 1


@by_id([IMAGE, IMAGE_KEY])
@pytest.mark.parametrize(
    ("end", "failure"),
    [
        ("block:SAFETY", FailureCode.POLICY_VIOLATION),
        ("block:A_NEW_WORD", FailureCode.POLICY_VIOLATION),
        ("finish:IMAGE_SAFETY", FailureCode.SAFETY_FILTER),
        ("finish:IMAGE_PROHIBITED_CONTENT", FailureCode.SAFETY_FILTER),
        ("finish:PROHIBITED_CONTENT", FailureCode.SAFETY_FILTER),
        ("finish:IMAGE_RECITATION", FailureCode.SAFETY_FILTER),
        ("finish:IMAGE_OTHER", FailureCode.GENERATOR_BAD_OUTPUT),
        ("finish:NO_IMAGE", FailureCode.GENERATOR_BAD_OUTPUT),
        ("finish:A_NEW_WORD", FailureCode.GENERATOR_BAD_OUTPUT),
        ("nothing", FailureCode.GENERATOR_BAD_OUTPUT),
    ],
)
def test_an_answer_without_an_image(
    google: Google, maker: Maker, end: str, failure: FailureCode
) -> None:
    google.vendor.ends = [end]

    assert outcome(google.generator(maker), Kind.IMAGE) == (GenerationRefused, failure)
    assert google.vendor.starts == 1


@by_id(MAKERS)
def test_fields_and_words_that_nobody_knows_change_nothing(
    google: Google, maker: Maker, tmp_path: Path
) -> None:
    google.vendor.ends = ["strange"]
    generator = google.generator(maker)
    begun = start(generator, maker.kind)
    google.clock.sleep(600)
    ready = generator.poll(begun) if isinstance(begun, Operation) else begun
    assert isinstance(ready, Ready)

    generator.fetch(ready, tmp_path / "file", size_bytes_max=100)

    assert (tmp_path / "file").read_bytes() == b"small media"


# Reads


READS = [
    ("400", UNAVAILABLE),
    ("401", UNAVAILABLE),
    ("403", UNAVAILABLE),
    ("404", UNAVAILABLE),
    ("408", UNAVAILABLE),
    ("429:5", BUSY),
    ("500", UNAVAILABLE),
    ("503", UNAVAILABLE),
    ("reset", UNAVAILABLE),
    ("hang", UNAVAILABLE),
    ("drip", UNAVAILABLE),
    ("half", UNAVAILABLE),
    ("gzipped", UNAVAILABLE),
]


def asked_in_vain(raised: pytest.ExceptionInfo[GenerationUnavailable]) -> Any:
    return type(raised.value), raised.value.failure


@by_id([VEO, OMNI, OMNI_KEY])
@pytest.mark.parametrize(("fault", "expected"), [*READS, ("nonsense", UNAVAILABLE)])
def test_a_poll_that_fails_is_asked_again(
    google: Google, maker: Maker, fault: str, expected: Any
) -> None:
    generator = google.generator(maker, fault)
    begun = start(generator, maker.kind)
    assert isinstance(begun, Operation)
    google.vendor.faults["poll"] = [fault]

    with pytest.raises(GenerationUnavailable) as raised:
        generator.poll(begun)

    assert asked_in_vain(raised) == expected
    assert raised.value.retry_after_s == (5 if fault == "429:5" else 0)
    assert len(google.vendor.requests) == 2
    assert isinstance(generator.poll(begun), Running)


@by_id([VEO, OMNI])
def test_three_hundred_megabytes_are_no_video(google: Google, maker: Maker) -> None:
    google.vendor.faults["poll"] = ["huge"]

    state = polled(google, maker)

    assert isinstance(state, Refused)
    assert (state.failure, state.is_transient) == (FailureCode.GENERATOR_BAD_OUTPUT, False)


def ready(google: Google, maker: Maker) -> Ready:
    state = polled(google, maker)
    assert isinstance(state, Ready)
    return state


@by_id([VEO_BUCKET, OMNI_BUCKET, OMNI_KEY])
@pytest.mark.parametrize(("fault", "expected"), READS)
def test_a_download_that_fails_is_asked_again(
    google: Google, maker: Maker, fault: str, expected: Any, tmp_path: Path
) -> None:
    result = ready(google, maker)
    google.vendor.faults["fetch"] = [fault]
    generator = google.generator(maker, fault)

    with pytest.raises(GenerationUnavailable) as raised:
        generator.fetch(result, tmp_path / "failed", size_bytes_max=100)
    generator.fetch(result, tmp_path / "file", size_bytes_max=100)

    assert asked_in_vain(raised) == expected
    assert (tmp_path / "file").read_bytes() == b"small media"


def test_a_download_that_is_sent_round_in_circles_is_asked_again(
    google: Google, tmp_path: Path
) -> None:
    result = ready(google, OMNI_KEY)
    google.vendor.faults["fetch"] = ["redirect"] * 50

    with pytest.raises(GenerationUnavailable):
        google.generator(OMNI_KEY).fetch(result, tmp_path / "file", size_bytes_max=100)


@by_id(VIDEO_MAKERS)
def test_a_download_stops_where_it_becomes_too_large(
    google: Google, maker: Maker, tmp_path: Path
) -> None:
    google.vendor.draw = lambda *_: bytes(3_000_000)
    result = ready(google, maker)

    with pytest.raises(BadOutput):
        google.generator(maker).fetch(result, tmp_path / "file", size_bytes_max=2_000_000)

    assert (tmp_path / "file").stat().st_size <= 2_000_000


def test_a_video_of_three_hundred_megabytes_is_not_taken(google: Google, tmp_path: Path) -> None:
    google.vendor.ends = ["huge"]
    result = ready(google, VEO_BUCKET)

    with pytest.raises(BadOutput):
        google.generator(VEO_BUCKET).fetch(
            result, tmp_path / "file", size_bytes_max=VIDEO_SIZE_BYTES_MAX
        )


@by_id([VEO, OMNI, IMAGE])
def test_media_that_cannot_be_decoded_are_bad_output(
    google: Google, maker: Maker, tmp_path: Path
) -> None:
    google.vendor.inline = lambda _: "not base64: ä"
    generator = google.generator(maker)

    if maker is IMAGE:
        assert outcome(generator, Kind.IMAGE) == UNUSABLE
    else:
        with pytest.raises(BadOutput):
            generator.fetch(ready(google, maker), tmp_path / "file", size_bytes_max=100)


@pytest.mark.parametrize("end", ["text", "cut"])
@by_id([VEO_BUCKET, OMNI_KEY, IMAGE])
def test_what_is_no_whole_media_file_is_caught_by_the_pipeline(
    google: Google, maker: Maker, end: str, tmp_path: Path
) -> None:
    google.vendor.draw = Vendor().draw
    google.vendor.ends = [end]
    generator, brief = google.generator(maker), a_brief(maker.kind, duration_s=None)
    begun = generator.start(brief, creation_id=ONE, attempt=1)
    google.clock.sleep(600)
    result = generator.poll(begun) if isinstance(begun, Operation) else begun
    assert isinstance(result, Ready)
    generator.fetch(result, tmp_path / "file", size_bytes_max=IMAGE_SIZE_BYTES_MAX)

    pipeline = ImagePipeline() if maker is IMAGE else VideoPipeline()
    with pytest.raises(BadOutput):
        pipeline.produce(tmp_path / "file", tmp_path, brief=brief)


# The search for what an unanswered start has made


@by_id([VEO_BUCKET, OMNI_BUCKET])
def test_the_output_of_an_unanswered_start_is_found_in_its_own_folder(
    google: Google, maker: Maker, tmp_path: Path
) -> None:
    google.vendor.faults["start"] = ["lost"]
    generator = google.generator(maker)
    with pytest.raises(StartOutcomeUnknown):
        generator.start(a_brief(maker.kind), creation_id=ONE, attempt=11)

    early = generator.find_output(ONE, attempt=11)
    google.clock.sleep(600)
    others = [generator.find_output(ONE, attempt=1), generator.find_output(ONE, attempt=2)]
    found = generator.find_output(ONE, attempt=11)

    assert [early, *others] == [NotFound()] * 3
    assert isinstance(found, Ready)
    generator.fetch(found, tmp_path / "file", size_bytes_max=100)
    assert (tmp_path / "file").read_bytes() == b"small media"
    assert google.vendor.starts == 1


@by_id([VEO_BUCKET, OMNI_BUCKET])
@pytest.mark.parametrize(("fault", "expected"), [*READS, ("nonsense", UNAVAILABLE)])
def test_a_search_that_fails_is_asked_again(
    google: Google, maker: Maker, fault: str, expected: Any
) -> None:
    google.vendor.faults["find"] = [fault]
    generator = google.generator(maker, fault)

    with pytest.raises(GenerationUnavailable) as raised:
        generator.find_output(ONE, attempt=1)

    assert asked_in_vain(raised) == expected


@by_id([VEO, OMNI, OMNI_KEY, IMAGE, IMAGE_KEY])
def test_without_a_bucket_nobody_can_tell(google: Google, maker: Maker) -> None:
    assert google.generator(maker).find_output(ONE, attempt=1) == CannotTell()
    assert google.vendor.requests == []
