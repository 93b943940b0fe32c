"""Which creations a search finds."""

import pytest

from shared.domain.errors import WrongField
from shared.domain.kind import Kind
from shared.domain.search import ACCEPTED_SEARCH, SEARCH_LENGTH_MAX, Search, searched_words
from shared.domain.status import Status
from tests.support.builders import a_creation


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("fox", True),
        ("SNOW Fox", True),
        ("fox\tsnow\u00a0fox", True),
        ("now", True),
        ("fox bear", False),
        ("foxsnow", False),
        ("sonne", True),
        ("STRASSE", True),
        ("straße", True),
        ("ﬁre", True),
        ("①", True),
        ("café", True),
        ("cafe\u0301", True),
        ("cafe", False),
        ("İstanbul", True),
        ("\u202bfox\u202c", True),
        ("fox sonne", True),
        (".*", False),
        ("%", False),
    ],
    ids=ascii,
)
def test_search_finds_every_word_in_the_prompt_or_the_caption(text: str, *, is_found: bool) -> None:
    creation = a_creation(
        prompt="A fox in the snow, FIRE 1\nHauptstraße café İSTANBUL", caption="Wintersonne"
    )

    assert Search(words=searched_words(text)).matches(creation) is is_found


def test_no_word_reaches_from_the_prompt_into_the_caption() -> None:
    creation = a_creation(prompt="a fox", caption="in snow")

    assert not Search(words=("foxin",)).matches(creation)
    assert not Search(words=("none",)).matches(a_creation(caption=None))


@pytest.mark.parametrize(
    "text",
    ["", " \n\t", "\u3000", "\u200b", "\u202a", "a\x00b", "\ud800", "x" * (SEARCH_LENGTH_MAX + 1)],
    ids=ascii,
)
def test_wrong_search_is_named_with_what_is_accepted(text: str) -> None:
    with pytest.raises(WrongField) as raised:
        searched_words(text)

    assert (raised.value.field, raised.value.reason) == ("q", ACCEPTED_SEARCH)


def test_longest_search_is_accepted() -> None:
    assert searched_words("X" * SEARCH_LENGTH_MAX) == ("x" * SEARCH_LENGTH_MAX,)


def test_search_compares_status_and_kind() -> None:
    video = a_creation(kind=Kind.VIDEO, status=Status.PUBLISHED)

    assert Search(status=Status.PUBLISHED, kind=Kind.VIDEO).matches(video)
    assert not Search(status=Status.DRAFT).matches(video)
    assert not Search(kind=Kind.IMAGE).matches(video)
    assert Search().matches_everything
    assert not Search(kind=Kind.IMAGE).matches_everything
