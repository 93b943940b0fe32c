"""Values of Firestore documents, compared with the SDK's own conversion."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import Client, GeoPoint
from google.cloud.firestore_v1._helpers import decode_dict, encode_dict
from google.cloud.firestore_v1.bson import BSONInt32, BSONRegex
from google.cloud.firestore_v1.types import Document
from google.cloud.firestore_v1.vector import Vector
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.adapters.firestore.values import decoded, encoded
from shared.domain.status import Status

CLIENT = Client(project="p", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]  # no types
INT64 = 2**63
NANOSECONDS = DatetimeWithNanoseconds.from_rfc3339("2026-11-29T00:00:00.123456789Z")  # type: ignore[no-untyped-call]  # no types
BEFORE_1970 = datetime(1950, 1, 1, microsecond=1, tzinfo=timezone(timedelta(hours=5, minutes=30)))
REFERENCE = CLIENT.document("legacy", "a")


texts = st.text(st.characters(exclude_categories=["Cs"]))
plain: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-INT64, INT64 - 1),
    st.floats(),
    texts,
    st.binary(),
    st.datetimes(
        datetime(1970, 1, 2),  # noqa: DTZ001 (naive bounds; the SDK moves earlier times)
        datetime(2255, 1, 1),  # noqa: DTZ001 (as above; it rounds later times as a float)
        timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30))]),
    ),
    st.sampled_from([Status.DRAFT, NANOSECONDS, REFERENCE, GeoPoint(1.5, -2.0)]),
    st.sampled_from([Vector([1.0, 2.0]), BSONInt32(7), BSONRegex("a", "i")]),
)
values = st.recursive(
    plain, lambda each: st.lists(each) | st.dictionaries(texts, each), max_leaves=8
)


def document(fields: Mapping[str, Any]) -> bytes:
    """Return a document's message, the same for the same fields; NaN is not equal to itself."""
    serialized: bytes = Document.pb()(fields=fields).SerializeToString(deterministic=True)
    return serialized


def by_sdk(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value._pb for name, value in encode_dict(fields).items()}


@settings(deadline=None)  # this machine may be busy
@given(st.dictionaries(texts, values))
@example({"empty": {"list": [], "map": {}, "one": {"at": NANOSECONDS}}, "bool": [True, 1, 1.0]})
@example({"vector": {"__type__": "__vector__", "value": [1.0]}, "not": {"__type__": "x", "a": 1}})
@example({"float": [float("nan"), float("inf"), -0.0], "int": [-INT64, INT64 - 1, 0]})
def test_values_are_converted_like_the_sdk_does(fields: dict[str, Any]) -> None:
    message = Document.pb().FromString(document(by_sdk(fields)))

    assert document(encoded(fields)) == document(by_sdk(fields))
    ours, theirs = decoded(message.fields, CLIENT), decode_dict(message.fields, CLIENT)
    if isinstance(theirs, dict):
        assert document(by_sdk(ours)) == document(by_sdk(theirs))


@given(st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1)))  # noqa: DTZ001 (as above)
@example(datetime(2515, 1, 1, microsecond=999_999))  # noqa: DTZ001 (as above)
def test_times_of_all_centuries_are_exact(at: datetime) -> None:
    message = Document.pb()(fields=encoded({"at": at}))

    assert message.fields["at"].timestamp_value.nanos == at.microsecond * 1000
    assert decoded(message.fields, CLIENT)["at"] == at.replace(tzinfo=UTC)


@pytest.mark.parametrize("value", [INT64, object(), {"a": [object()]}])
def test_value_of_no_kind_is_rejected(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        document(encoded({"field": value}))


def test_times_are_plain_and_in_utc_unless_they_have_nanoseconds() -> None:
    message = Document.pb()(fields=encoded({"at": BEFORE_1970, "fine": NANOSECONDS}))

    read = decoded(message.fields, CLIENT)

    assert type(read["at"]) is datetime
    assert read["at"] == BEFORE_1970
    assert read["at"].tzinfo is UTC
    assert read["fine"].nanosecond == NANOSECONDS.nanosecond
