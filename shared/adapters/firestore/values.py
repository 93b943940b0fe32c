"""Values of documents in Firestore's protocol.

The SDK's own conversion costs five times the processor time. It still converts the kinds that
Phoenix does not write, so that documents of other systems stay intact.
https://cloud.google.com/firestore/docs/reference/rpc/google.firestore.v1#value
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from google.cloud.firestore_v1._helpers import decode_dict, decode_value, encode_value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND_NS = 1_000


def encoded(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return `Value` messages as the arguments of their constructors."""
    return {name: _encoded(value) for name, value in fields.items()}


def decoded(fields: Mapping[str, Any], client: Any) -> dict[str, Any]:  # noqa: ANN401 (the SDK's)
    """Return the values of a map of `Value` messages; times are in UTC."""
    return {name: _decoded(value, client) for name, value in fields.items()}


def _encoded(value: Any) -> Any:  # noqa: ANN401 (any value)
    encode = _ENCODE.get(str if isinstance(value, StrEnum) else type(value))
    return encode(value) if encode is not None else encode_value(value)._pb


_ENCODE: dict[type, Callable[[Any], Any]] = {
    type(None): lambda _: {"null_value": 0},
    bool: lambda value: {"boolean_value": value},
    int: lambda value: {"integer_value": value},
    float: lambda value: {"double_value": value},
    str: lambda value: {"string_value": value},
    datetime: lambda value: {"timestamp_value": value},
    list: lambda value: {"array_value": {"values": [_encoded(each) for each in value]}},
    dict: lambda value: {"map_value": {"fields": encoded(value)}},
}


def _decoded(value: Any, client: Any) -> Any:  # noqa: ANN401 (as above)
    decode = _DECODE.get(value.WhichOneof("value_type"))
    return decode(value, client) if decode is not None else decode_value(value, client)


def _decoded_time(value: Any, client: Any) -> Any:  # noqa: ANN401 (as above)
    time = value.timestamp_value
    microseconds, rest = divmod(time.nanos, MICROSECOND_NS)
    if rest:
        return decode_value(value, client)
    return EPOCH + timedelta(0, time.seconds, microseconds)


def _decoded_map(value: Any, client: Any) -> Any:  # noqa: ANN401 (as above)
    fields = value.map_value.fields
    if len(fields) == 1 or "__type__" in fields:  # perhaps a vector or a type of BSON
        return decode_dict(fields, client)
    return decoded(fields, client)


_DECODE: dict[str | None, Callable[[Any, Any], Any]] = {
    "null_value": lambda *_: None,
    "boolean_value": lambda value, _: value.boolean_value,
    "integer_value": lambda value, _: value.integer_value,
    "double_value": lambda value, _: value.double_value,
    "string_value": lambda value, _: value.string_value,
    "timestamp_value": _decoded_time,
    "array_value": lambda value, client: [_decoded(v, client) for v in value.array_value.values],
    "map_value": _decoded_map,
}
