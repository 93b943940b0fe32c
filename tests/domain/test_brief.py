from typing import Any

import pytest

from shared.domain.brief import Brief, checked_text, creation_id_for
from shared.domain.errors import WrongField
from shared.domain.policy import Kind
from tests.builders import ADA, BEN


def test_defaults_are_filled_in() -> None:
    image = Brief.of(Kind.IMAGE, prompt="  a fox \n")
    video = Brief.of(Kind.VIDEO, prompt="a fox")

    assert (image.prompt, image.aspect_ratio, image.duration_s) == ("a fox", "1:1", None)
    assert (video.aspect_ratio, video.duration_s) == ("16:9", 8)


@pytest.mark.parametrize(("orientation", "ratio"), [("landscape", "16:9"), ("portrait", "9:16")])
def test_an_orientation_is_an_aspect_ratio(orientation: str, ratio: str) -> None:
    alone = Brief.of(Kind.VIDEO, prompt="x", orientation=orientation)
    both = Brief.of(Kind.VIDEO, prompt="x", orientation=orientation, aspect_ratio=ratio)

    assert alone == both
    assert alone.aspect_ratio == ratio


@pytest.mark.parametrize(
    ("kind", "field", "asked"),
    [
        (Kind.IMAGE, "duration", {"duration_s": 8}),
        (Kind.IMAGE, "orientation", {"orientation": "portrait"}),
        (Kind.IMAGE, "aspectRatio", {"aspect_ratio": "2:1"}),
        (Kind.VIDEO, "aspectRatio", {"aspect_ratio": "1:1"}),
        (Kind.VIDEO, "aspectRatio", {"aspect_ratio": "9:16", "orientation": "landscape"}),
        (Kind.VIDEO, "orientation", {"orientation": "sideways"}),
        (Kind.VIDEO, "duration", {"duration_s": 5}),
        (Kind.VIDEO, "duration", {"duration_s": 0}),
    ],
)
def test_what_a_kind_does_not_have_is_refused_by_its_name_on_the_wire(
    kind: Kind, field: str, asked: dict[str, Any]
) -> None:
    with pytest.raises(WrongField) as refusal:
        Brief.of(kind, prompt="x", **asked)

    assert refusal.value.field == field


@pytest.mark.parametrize(
    "text",
    [
        *["", " \n\t ", "x" * 2001, "a\x00b", "a\x07b", "a\rb", "\ud800", "a\u202eb", "a\u2066b"],
        *["\x0cfox", "fox\r", "\x1c", "\x85 fox"],
    ],
    ids=ascii,
)
def test_prompts_that_are_refused(text: str) -> None:
    with pytest.raises(WrongField) as refusal:
        Brief.of(Kind.IMAGE, prompt=text)

    assert refusal.value.field == "prompt"
    assert len(str(refusal.value)) < 100


@pytest.mark.parametrize("text", ["x" * 2000, "🦊" * 2000, "a\nb\tc", "שלום", "e\u0301", "<b>&"])
def test_prompts_that_are_taken(text: str) -> None:
    assert Brief.of(Kind.IMAGE, prompt=text).prompt == text


def test_a_caption_may_be_blank() -> None:
    assert checked_text("  ", field="caption", length_max=500, may_be_blank=True) == ""


def test_the_fingerprint_knows_the_whole_normalised_brief() -> None:
    plain = Brief.of(Kind.VIDEO, prompt="a fox")
    spelled_out = Brief.of(Kind.VIDEO, prompt=" a fox ", aspect_ratio="16:9", duration_s=8)
    others = [
        Brief.of(Kind.VIDEO, prompt="a fix"),
        Brief.of(Kind.VIDEO, prompt="a fox", duration_s=6),
        Brief.of(Kind.VIDEO, prompt="a fox", orientation="portrait"),
        Brief.of(Kind.IMAGE, prompt="a fox", aspect_ratio="16:9"),
    ]

    assert plain.fingerprint == spelled_out.fingerprint
    assert len({brief.fingerprint for brief in [plain, *others]}) == 5


def test_a_key_makes_one_id_for_each_user() -> None:
    ids = {creation_id_for(user, key) for user in (ADA, BEN) for key in ("a", "b")}

    assert len(ids) == 4
    assert creation_id_for(ADA, "a") in ids
    assert all(
        len(each) == 26 and set(each) <= set("abcdefghijklmnopqrstuvwxyz234567") for each in ids
    )
