"""Malicious bodies and captions for the API's tests and benchmarks."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

JSON = "application/json"
KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class Hostile:
    """A body, and the response it must get."""

    name: str
    body: Callable[[], bytes | Iterator[bytes]]
    status: int = 400
    content_type: str = JSON


def _chunks() -> Iterator[bytes]:
    for _ in range(512):
        yield b" " * 64 * KIB


def _fields(**fields: object) -> Callable[[], bytes]:
    body = {"type": "image", "prompt": "x", **fields}
    return lambda: json.dumps(body).encode()


HOSTILE_BODIES = [
    Hostile("32 KiB + 1", lambda: b" " * (32 * KIB + 1), 413),
    Hostile("32 MiB", lambda: b" " * (32 * MIB), 413),
    Hostile("32 MiB in chunks", _chunks, 413),
    Hostile("100,000 lists in one another", lambda: b"[" * 100_000, 413),
    Hostile("32,000 lists in one another", lambda: b"[" * 32_000),
    Hostile("5,000 objects in one another", lambda: b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
    Hostile("a number of 30,000 digits", lambda: b'{"duration":' + b"9" * 30_000 + b"}"),
    Hostile("a name twice", lambda: b'{"type":"image","prompt":"a","prompt":"b"}'),
    Hostile("NaN", lambda: b'{"type":"image","prompt":"x","duration":NaN}'),
    Hostile("a lone surrogate", lambda: b'{"type":"image","prompt":"\\ud800"}'),
    Hostile("a lone surrogate as a name", lambda: b'{"type":"image","prompt":"x","\\ud800":1}'),
    Hostile("NUL", lambda: b'{"type":"image","prompt":"a\\u0000b"}'),
    Hostile("nothing but a direction override", lambda: b'{"type":"image","prompt":"\\u202e"}'),
    Hostile("not UTF-8", lambda: b'{"type":"image","prompt":"\xff\xfe"}'),
    Hostile("UTF-16", lambda: '{"type":"image","prompt":"x"}'.encode("utf-16")),
    Hostile("a form", lambda: b"type=image&prompt=x", 415, "application/x-www-form-urlencoded"),
    Hostile("XML", lambda: b"<x/>", 415, "text/xml"),
    Hostile("a cost", _fields(cost=0)),
    Hostile("a status", _fields(status="draft")),
    Hostile("a user", _fields(userId="ben")),
    Hostile("a prototype", _fields(__proto__={"cost": 0})),
    Hostile("1,000 fields", _fields(**{f"f{n}": n for n in range(1_000)})),
    Hostile("a prompt of lists", _fields(prompt=[["x"]])),
    Hostile("a prompt of 30,000 letters", _fields(prompt="x" * 30_000)),
    Hostile("an infinite duration", lambda: b'{"type":"video","prompt":"x","duration":1e999}'),
]

XSS_CAPTIONS = [
    f"{before}{script}{after}"
    for script in (
        "<script>window.pwned=1</script>",
        "<img src=x onerror=window.pwned=1>",
        "<svg onload=window.pwned=1>",
        "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
        "<a href=javascript:window.pwned=1 autofocus onfocus=window.pwned=1>x</a>",
        "<details open ontoggle=window.pwned=1>x</details>",
        "<style>@import 'javascript:window.pwned=1';</style>",
        "{{constructor.constructor('window.pwned=1')()}}",
        "${window.pwned=1}",
        "<math><mtext></mtext><mglyph><svg><mtext><style><path id='</style><img onerror=window.pwned=1 src>'>",
    )
    for before, after in (
        ("", ""),
        ('">', ""),
        ("'>", "<!--"),
        ("</title></textarea>", ""),
        ("]]>", "-->"),
        ("\u200b", "\ufeff"),
    )
]
"""Sixty captions that must be displayed as plain text."""
