"""The state of the fake of Google's generators, without HTTP."""

import base64
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from shared.adapters.sample.drawings import draw_image, render_video
from shared.domain.brief import Brief
from shared.domain.kind import Kind

WITHOUT_MEDIA = {
    "never",
    "nothing",
    "filtered",
    "filtered-nested",
    "error",
    "error-info",
    "status",
    "block",
} | {
    "finish",
    "billed",
}
HUGE_BYTES = 300_000_000
POLICY_TEXT = (
    "The prompt could not be submitted. It contains sensitive words that violate Google's "
    "Responsible AI practices. support code 15236754"
)
SECRET_TEXT = "vendor-secret-words"
"""Part of every error message; it must never reach a user."""
WRONG_KEY = "wrong-key"
SUSPENDED_KEY = "suspended-key"


@dataclass(frozen=True)
class Object:
    """An object in the bucket."""

    name: str
    size_bytes: int
    content_type: str = "application/octet-stream"


@dataclass
class Work:
    """One accepted, paid start."""

    name: str
    kind: Kind
    prompt: str
    aspect_ratio: str
    duration_s: int | None
    folder: str | None
    started_s: float
    takes_s: float
    end: str

    @property
    def address(self) -> str:
        """Return the URI of its media in the bucket."""
        return f"{(self.folder or '').rstrip('/')}/{self.name.rpartition('/')[2]}/sample_0.mp4"


@cache
def drawn(kind: Kind, aspect_ratio: str, duration_s: int | None) -> bytes:
    """Return the content of a real file."""
    brief = Brief.of(kind, prompt="a fox", aspect_ratio=aspect_ratio, duration_s=duration_s)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        (draw_image if kind is Kind.IMAGE else render_video)(brief, path)
        return path.read_bytes()


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@dataclass
class Vendor:
    """Recorded requests and planned behaviour."""

    clock: Callable[[], float] = time.time
    draw: Callable[[Kind, str, int | None], bytes] = drawn
    inline: Callable[[bytes], str] = encoded
    takes_s: float = 2.0
    faults: dict[str, list[str]] = field(default_factory=dict)
    ends: list[str] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)
    objects_added: list[Object] = field(default_factory=list)
    page_size: int = 1000
    deleted: list[str] = field(default_factory=list)
    unknown_models: set[str] = field(default_factory=set)
    closing: threading.Event = field(default_factory=threading.Event)
    accepting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def starts(self) -> int:
        """Return the number of paid starts."""
        return len(self.works)

    def accepted(self, kind: Kind, prompt: str, name: str, **facts: Any) -> Work:
        slow = re.search(r"\[slow (\d+)\]", prompt)
        with self.accepting:
            end = self.ends.pop(0) if self.ends else "media"
            work = Work(
                name=f"{name}{len(self.works) + 1}",
                kind=kind,
                prompt=prompt,
                started_s=self.clock(),
                takes_s=float(slow[1]) if slow else self.takes_s,
                end="never" if "[hang]" in prompt else end,
                **facts,
            )
            self.works.append(work)
        return work

    def fault(self, call: str, prompt: str = "") -> str:
        """Return the fault of this request, or an empty text."""
        if waiting := self.faults.get(f"{call}:{prompt}") or self.faults.get(call):
            return waiting.pop(0)
        if call != "start":
            return ""
        for word, status in (("rate-limit", "429"), ("unavailable", "503")):
            wanted = re.search(rf"\[{word} x(\d+)\]", prompt)
            if wanted and self.refusals[word, prompt] < int(wanted[1]):
                self.refusals[word, prompt] += 1
                return status
        return "lost" if "[silent]" in prompt else ""

    def work(self, name: str) -> Work | None:
        return next((work for work in self.works if work.name == name), None)

    def is_done(self, work: Work) -> bool:
        return work.end != "never" and self.clock() >= work.started_s + work.takes_s

    def media(self, work: Work) -> bytes:
        if work.end == "text":
            return b"no media at all" * 100
        if work.end == "huge":
            return bytes(HUGE_BYTES)
        content = self.draw(work.kind, work.aspect_ratio, work.duration_s)
        return content[: len(content) // 2] if work.end == "cut" else content

    def objects(self) -> Iterator[Work]:
        """Yield the works with media in the bucket."""
        for work in self.works:
            has_media = work.end.partition(":")[0] not in WITHOUT_MEDIA
            if work.folder and self.is_done(work) and has_media:
                yield work

    def listed(self, bucket: str) -> list[Object]:
        """List the bucket by name, like Cloud Storage."""
        scheme = f"gs://{bucket}/"
        videos = [
            Object(
                work.address.removeprefix(scheme),
                len(self.media(work)) if work.end != "huge" else HUGE_BYTES,
                "video/mp4",
            )
            for work in self.objects()
            if work.address.startswith(scheme)
        ]
        return sorted([*self.objects_added, *videos], key=lambda each: each.name)
