"""Every documented shape of a response is understood."""

import base64
import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.adapters.google_models import omni_generator
from shared.adapters.google_models.media import decode_media, gcs_uri
from shared.domain.errors import BadOutput, GenerationRefused, GenerationUnavailable
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.ports.generator import NotFound, Operation, Ready, Refused
from tests.adapters.google_models import ONE, Google, by_id, polled, ready, start
from tests.servers.google_models_variants import (
    BUCKET,
    IMAGE,
    IMAGE_KEY,
    OMNI,
    OMNI_BUCKET,
    OMNI_KEY,
    VEO,
    VEO_BUCKET,
    Variant,
)
from tests.servers.google_models_vendor import Object
from tests.support.builders import a_brief

MEDIA = b"small media"
DRAFT = b"not this"
DISCARDED_WITHIN_S = 3
"""Less than the server takes."""


def image_of(google: Google, variant: Variant, folder: Path) -> bytes:
    generator = google.generator(variant)
    begun = start(generator, Kind.IMAGE)
    assert isinstance(begun, Ready)
    generator.fetch(begun, folder / "file", size_bytes_max=1000)
    return (folder / "file").read_bytes()


def video_of(google: Google, variant: Variant, folder: Path) -> bytes:
    google.generator(variant).fetch(ready(google, variant), folder / "file", size_bytes_max=1000)
    return (folder / "file").read_bytes()


# Images


@by_id([IMAGE, IMAGE_KEY])
@pytest.mark.parametrize(
    "end",
    [
        *("thought", "then-thought", "then-text", "then-sound", "then-broken"),
        *("second-candidate", "snake-case", "strange"),
        *(
            "called:application/octet-stream",
            "called:IMAGE/PNG",
            "called: image/png ",
            "called:png",
        ),
        *("called:", "then-blob"),
        *("blocked-but-there:BLOCK_REASON_UNSPECIFIED", "blocked-but-there:SAFETY"),
        *("finished-but-there:IMAGE_SAFETY", "finished-but-there:MAX_TOKENS"),
        "finished-but-there:FINISH_REASON_UNSPECIFIED",
    ],
)
def test_image_is_found_wherever_it_is(
    google: Google, variant: Variant, end: str, tmp_path: Path
) -> None:
    google.vendor.ends = [end]

    assert image_of(google, variant, tmp_path) == MEDIA


@pytest.mark.parametrize(
    "spelled",
    [
        lambda content: base64.b64encode(content).decode(),
        lambda content: base64.urlsafe_b64encode(content).decode(),
        lambda content: base64.b64encode(content).decode().rstrip("="),
        lambda content: base64.urlsafe_b64encode(content).decode().rstrip("="),
        lambda content: base64.encodebytes(content).decode(),
        lambda content: "\r\n ".join(base64.b64encode(content).decode()),
        lambda content: f"data:image/png;base64,{base64.b64encode(content).decode()}",
    ],
    ids=["plain", "url", "unpadded", "url-unpadded", "lines", "spaces", "address"],
)
@by_id([IMAGE, OMNI, VEO])
def test_base64_is_decoded_in_every_spelling(
    google: Google, variant: Variant, spelled: Callable[[bytes], str], tmp_path: Path
) -> None:
    content = bytes(range(250, 256)) * 3 + b"\xfb\xff~?"
    google.vendor.draw = lambda *_: content
    google.vendor.inline = spelled
    fetch = image_of if variant is IMAGE else video_of

    assert fetch(google, variant, tmp_path) == content


@pytest.mark.parametrize("text", ["", "====", " ", "%%%%", "A", "AAAAA", "QUJD*", None, 3, b"QUJD"])
def test_text_that_is_no_base64_is_bad_output(text: object) -> None:
    with pytest.raises(BadOutput):
        decode_media(text)


@pytest.mark.parametrize(
    ("end", "failure", "is_billed"),
    [
        ("billed:IMAGE_SAFETY", FailureCode.SAFETY_FILTER, True),
        ("billed:NO_IMAGE", FailureCode.GENERATOR_BAD_OUTPUT, True),
        ("finish:IMAGE_SAFETY", FailureCode.SAFETY_FILTER, False),
        ("block:SAFETY", FailureCode.POLICY_VIOLATION, False),
    ],
)
def test_withheld_image_may_be_billed(
    google: Google, end: str, failure: FailureCode, *, is_billed: bool
) -> None:
    google.vendor.ends = [end]

    with pytest.raises(GenerationRefused) as raised:
        start(google.generator(IMAGE), Kind.IMAGE)

    assert (raised.value.failure, raised.value.is_billed) == (failure, is_billed)


def test_undecodable_image_is_billed(google: Google) -> None:
    google.vendor.inline = lambda _: "%"

    with pytest.raises(GenerationRefused) as raised:
        start(google.generator(IMAGE), Kind.IMAGE)

    assert raised.value.is_billed


# Videos


@by_id([VEO, VEO_BUCKET])
@pytest.mark.parametrize(
    "end", ["generated-videos", "generated-samples", "filtered-in-part", "strange"]
)
def test_video_is_found_in_every_shape_of_an_operation(
    google: Google, variant: Variant, end: str, tmp_path: Path
) -> None:
    google.vendor.ends = [end]

    assert video_of(google, variant, tmp_path) == MEDIA


@by_id([VEO_BUCKET, OMNI_BUCKET])
@pytest.mark.parametrize("end", ["https", "https-console", "https-host", "https-api"])
def test_video_is_found_by_every_form_of_its_uri(
    google: Google, variant: Variant, end: str, tmp_path: Path
) -> None:
    google.vendor.ends = [end]

    assert video_of(google, variant, tmp_path) == MEDIA


def test_bare_uri_is_a_video(google: Google, tmp_path: Path) -> None:
    google.vendor.ends = ["addresses"]

    assert video_of(google, VEO_BUCKET, tmp_path) == MEDIA


@by_id([OMNI, OMNI_BUCKET, OMNI_KEY])
@pytest.mark.parametrize(
    "end",
    [
        *("outputs", "output-video", "then-thought", "media-and:incomplete", "media-and:failed"),
        *("media-and:idle", "media-and:a_new_word"),
    ],
)
def test_video_is_found_in_every_shape_of_an_interaction(
    google: Google, variant: Variant, end: str, tmp_path: Path
) -> None:
    google.vendor.ends = [end]

    assert video_of(google, variant, tmp_path) == MEDIA


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("gs://b/a b#?%20.mp4", "gs://b/a b#?%20.mp4"),
        ("https://storage.googleapis.com/b/a/1/x%20y.mp4?X-Goog-Date=1", "gs://b/a/1/x y.mp4"),
        ("https://storage.googleapis.com/b/", None),
        ("https://storage.googleapis.com/b/folder/", None),
        *[(f"gs://{place}", None) for place in ("", "b", "b/", "b/folder/", "/x.mp4")],
        ("https://storage.googleapis.com/b", None),
        ("https://example.com/b/x.mp4", None),
        ("https://evilstorage.googleapis.com.example/b/x.mp4", None),
        ("https://[b/x.mp4", None),
        ("files/abc", None),
        ("", None),
        (None, None),
    ],
)
def test_only_an_object_in_cloud_storage_has_a_uri(address: object, expected: str | None) -> None:
    assert gcs_uri(address) == expected


def test_failed_interaction_may_be_billed(google: Google) -> None:
    google.vendor.ends = ["billed:safety", "error:safety:x"]
    states = [polled(google, OMNI), polled(google, OMNI)]

    assert all(isinstance(state, Refused) for state in states)
    assert [state.failure for state in states if isinstance(state, Refused)] == (
        [FailureCode.SAFETY_FILTER] * 2
    )
    assert [state.is_billed for state in states if isinstance(state, Refused)] == [True, False]


@pytest.mark.parametrize(("end", "is_billed"), [("elsewhere", True), ("nothing", False)])
def test_unfetchable_video_is_billed(google: Google, end: str, *, is_billed: bool) -> None:
    google.vendor.ends = [end]

    state = polled(google, VEO_BUCKET)

    assert isinstance(state, Refused)
    assert (state.failure, state.is_billed) == (FailureCode.GENERATOR_BAD_OUTPUT, is_billed)


# The attempt's folder in the bucket


def folder(name: str) -> str:
    return f"{ONE}/1/{name}"


def found_among(google: Google, *objects: Object, has_video: bool = True) -> str | None:
    """Return the name of the object that is found for an unanswered start."""
    google.vendor.objects_added = list(objects)
    generator = google.generator(VEO_BUCKET)
    generator.start(a_brief(), creation_id=ONE, attempt=1)
    google.clock.sleep(600 if has_video else 0)
    found = generator.find_output(ONE, attempt=1)
    if isinstance(found, NotFound):
        return None
    assert isinstance(found, Ready)
    return found.locator.removeprefix(f"gs://{BUCKET}/{ONE}/1/")


@pytest.mark.parametrize("page_size", [1000, 1, 2])
@pytest.mark.parametrize(
    "others",
    [
        [Object(folder("0/"), 0)],
        [Object(folder("0/"), 0, "application/x-www-form-urlencoded;charset=UTF-8")],
        [Object(folder("0/metadata.json"), 5000, "application/json")],
        [Object(folder("0/metadata.json"), 5000)],
        [Object(folder("0/poster.jpg"), 5000, "image/jpeg")],
        [Object(folder("0/poster.jpg"), 5000, "video/mp4")],
        [Object(folder("0/empty.mp4"), 0, "video/mp4")],
        [Object(folder("0/draft.mp4"), 3, "video/mp4")],
        [Object(folder("0/blob"), 5000)],
        [Object(folder(f"0/{number}.json"), 5000) for number in range(5)],
        [Object(folder("9/"), 0), Object(folder("9/metadata.json"), 5000)],
    ],
    ids=lambda others: others[-1].name.removeprefix(folder("")) + f"-{others[-1].size_bytes}",
)
def test_video_is_chosen_by_type_and_size_over_all_pages(
    google: Google, others: list[Object], page_size: int
) -> None:
    google.vendor.page_size = page_size

    assert found_among(google, *others) == "1/sample_0.mp4"


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([Object(folder("1/output"), 5000), Object(folder("1/x.json"), 9000)], "1/output"),
        ([Object(folder("1/a.mov"), 5), Object(folder("1/b"), 9000)], "1/a.mov"),
        ([Object(folder("1/a.mp4"), 5), Object(folder("1/b.webm"), 9)], "1/b.webm"),
        ([Object(folder("1/"), 0), Object(folder("1/x.json"), 9000)], None),
        ([Object(f"{ONE}/11/a.mp4", 5, "video/mp4")], None),
    ],
)
def test_largest_possible_video_is_chosen_if_none_is_certain(
    google: Google, others: list[Object], expected: str | None
) -> None:
    assert found_among(google, *others, has_video=False) == expected


def test_failed_page_fails_the_search(google: Google) -> None:
    google.vendor.page_size = 1
    google.vendor.faults["find"] = ["", "503"]
    google.vendor.objects_added = [Object(folder(f"0/{number}.json"), 5000) for number in range(3)]

    with pytest.raises(GenerationUnavailable):
        google.generator(VEO_BUCKET).find_output(ONE, attempt=1)


# Data kept by the vendor


@by_id([OMNI, OMNI_BUCKET, OMNI_KEY])
def test_discarded_interaction_is_deleted_at_the_vendor(google: Google, variant: Variant) -> None:
    generator = google.generator(variant)
    begun = start(generator, Kind.VIDEO)
    assert isinstance(begun, Operation)

    generator.discard(begun)

    assert google.vendor.deleted == [begun.name]
    assert [method for method, _, _ in google.vendor.requests] == ["POST", "DELETE"]


@by_id([OMNI, OMNI_KEY])
@pytest.mark.parametrize(
    "fault", ["400", "403", "404", "429:3600", "500", "503", "reset", "hang", "half", "huge"]
)
def test_failed_discard_is_logged_and_not_repeated(
    google: Google, variant: Variant, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    generator = google.generator(variant, fault)
    begun = start(generator, Kind.VIDEO)
    assert isinstance(begun, Operation)
    google.vendor.faults["delete"] = [fault]

    generator.discard(begun)

    levels = [record.levelno for record in caplog.records if record.message == "discard_failed"]
    assert levels == [logging.WARNING]
    assert len(google.vendor.requests) == 2


@by_id([OMNI, OMNI_KEY])
@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_slow_discard_times_out(
    google: Google,
    variant: Variant,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(omni_generator, "DISCARD_S_MAX", 0.5)
    generator = google.generator(variant)
    begun = start(generator, Kind.VIDEO)
    assert isinstance(begun, Operation)
    google.vendor.faults["delete"] = [fault]

    began_s = time.monotonic()
    generator.discard(begun)

    assert time.monotonic() - began_s < DISCARDED_WITHIN_S
    assert "discard_failed" in [record.message for record in caplog.records]
