from dataclasses import dataclass, replace
from typing import Any

import pytest

from shared.domain.brief import Brief, checked_text, creation_id_for
from shared.domain.errors import WrongField
from shared.domain.kind import Kind
from tests.support.builders import ADA, BEN


def test_defaults_are_filled_in() -> None:
    image = Brief.of(Kind.IMAGE, prompt="  a fox \n")
    video = Brief.of(Kind.VIDEO, prompt="a fox")

    assert (image.prompt, image.aspect_ratio, image.duration_s) == ("a fox", "1:1", None)
    assert (video.aspect_ratio, video.duration_s) == ("16:9", 8)


@pytest.mark.parametrize(("orientation", "ratio"), [("landscape", "16:9"), ("portrait", "9:16")])
def test_orientation_is_an_aspect_ratio(orientation: str, ratio: str) -> None:
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
def test_field_that_a_kind_lacks_is_refused_by_its_wire_name(
    kind: Kind, field: str, asked: dict[str, Any]
) -> None:
    with pytest.raises(WrongField) as refusal:
        Brief.of(kind, prompt="x", **asked)

    assert refusal.value.field == field


@pytest.mark.parametrize(
    "text",
    [
        *["", " \n\t ", "x" * 2001, "a\x00b", "a\x07b", "a\rb", "\ud800"],
        *["\x0cfox", "fox\r", "\x1c", "\x85 fox", "\u202a\u202c", " \u2066\r\n\u2069", "\r\r\nfox"],
        *["x" * 2001 + "\u202a", "\u202e\x00", "\u200b", "\u2060 \ufeff", "\u00ad\u200f"],
    ],
    ids=ascii,
)
def test_invalid_prompts_are_refused(text: str) -> None:
    with pytest.raises(WrongField) as refusal:
        Brief.of(Kind.IMAGE, prompt=text)

    assert refusal.value.field == "prompt"
    assert len(str(refusal.value)) < 100


@pytest.mark.parametrize("text", ["x" * 2000, "🦊" * 2000, "a\nb\tc", "שלום", "e\u0301", "<b>&"])
def test_valid_prompts_are_accepted(text: str) -> None:
    assert Brief.of(Kind.IMAGE, prompt=text).prompt == text


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        ("a\r\nb", "a\nb"),
        ("\r\n a fox \r\n", "a fox"),
        ("a\r\n\r\nb", "a\n\nb"),
        ("a\u202eb", "ab"),
        *[(f"a{chr(code)}b", "ab") for code in [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]],
        ("\u2067 a fox \u2069", "a fox"),
        ("a\r\u202a\nb", "a\nb"),
        ("x" * 2000 + "\u202c", "x" * 2000),
        ("x" * 1998 + "\r\nx", "x" * 1998 + "\nx"),
        *[(text, text) for text in ("a\u200eb", "a\u200fb", "a\u061cb", "a\u2028b", "a\ufeffb")],
        *[
            (text, text)
            for text in ("👩\u200d🚀", "❤\ufe0f", "क्\u200dष", "\u0645\u06cc\u200c\u062e", "a\xa0b")
        ],
    ],
    ids=ascii,
)
def test_pasted_text_is_normalised(pasted: str, kept: str) -> None:
    brief = Brief.of(Kind.IMAGE, prompt=pasted)

    assert brief.prompt == kept
    assert brief.fingerprint == Brief.of(Kind.IMAGE, prompt=kept).fingerprint
    assert Brief.of(Kind.IMAGE, prompt=brief.prompt) == brief


def test_caption_may_be_blank() -> None:
    assert checked_text("  ", field="caption", length_max=500, may_be_blank=True) == ""


def test_fingerprint_covers_the_whole_normalised_brief() -> None:
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


@pytest.mark.parametrize(
    ("kind", "asked", "fingerprint"),
    [
        (
            Kind.IMAGE,
            {"prompt": "a fox"},
            "31dbffe15f527ba1c8ec0b3e3938ba68b93f855133ef755cf6db0a4353bff66a",
        ),
        (
            Kind.IMAGE,
            {"prompt": "Füchse im Schnee 🦊\nzwei", "aspect_ratio": "3:4"},
            "c6a794973bd34776612fc76e9fcbafc757365046ff9cb09c7e51e79924d273a5",
        ),
        (
            Kind.VIDEO,
            {"prompt": "a fox"},
            "47ab43741c11d5b4a54f4ecf4bb602e48695fb7116c0a85aea740cc3113e73f2",
        ),
        (
            Kind.VIDEO,
            {"prompt": "a fox", "orientation": "portrait", "duration_s": 4},
            "625a9c7746814ab8e6d8e6ed10b69238b545b8cff8167daee472d3cb2540bf71",
        ),
    ],
)
def test_fingerprints_stored_by_the_first_release_stay_valid(
    kind: Kind, asked: dict[str, Any], fingerprint: str
) -> None:
    assert Brief.of(kind, **asked).fingerprint == fingerprint


@dataclass(frozen=True, kw_only=True)
class LaterBrief(Brief):
    """The brief of a later release, with two more optional fields."""

    style: str | None = None
    seed: int = 0


def test_field_added_later_changes_a_fingerprint_only_when_it_is_given() -> None:
    brief = Brief.of(Kind.VIDEO, prompt="a fox")
    without = LaterBrief(**vars(brief))
    fingerprints = {
        replace(without, **given).fingerprint
        for given in ({"style": "ink"}, {"style": "oil"}, {"seed": 1}, {"style": "ink", "seed": 1})
    }

    assert without.fingerprint == brief.fingerprint
    assert len(fingerprints | {brief.fingerprint}) == 5


def test_all_wrong_values_of_a_brief_are_reported_together() -> None:
    with pytest.raises(WrongField) as refusal:
        Brief.of(Kind.VIDEO, prompt=" ", aspect_ratio="1:1", orientation="up", duration_s=5)

    faults = [refusal.value, *refusal.value.others]
    assert [fault.field for fault in faults] == ["prompt", "aspectRatio", "orientation", "duration"]


def test_idempotency_key_maps_to_one_id_per_user() -> None:
    ids = {creation_id_for(user, key) for user in (ADA, BEN) for key in ("a", "b")}

    assert len(ids) == 4
    assert creation_id_for(ADA, "a") in ids
    assert all(
        len(each) == 26 and set(each) <= set("abcdefghijklmnopqrstuvwxyz234567") for each in ids
    )


def test_count_of_one_leaves_the_fingerprint_as_it_was() -> None:
    plain, *groups = (
        Brief.of(Kind.IMAGE, prompt="a fox", count=count) for count in (None, 1, 2, 3, 4)
    )

    assert groups[0] == plain
    assert len({each.fingerprint for each in groups}) == 4


@pytest.mark.parametrize(("kind", "count"), [(Kind.IMAGE, 0), (Kind.IMAGE, 5), (Kind.VIDEO, 1)])
def test_only_one_to_four_images_are_opened_together(kind: Kind, count: int) -> None:
    with pytest.raises(WrongField) as refusal:
        Brief.of(kind, prompt="a fox", count=count)

    assert refusal.value.field == "count"


def test_each_variation_of_a_key_has_its_own_id() -> None:
    ids = [creation_id_for(ADA, key, number) for key in ("a", "b") for number in (1, 2, 3, 4)]

    assert len({*ids}) == 8
    assert creation_id_for(ADA, "a") == ids[0]
