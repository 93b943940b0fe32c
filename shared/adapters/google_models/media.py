"""Media on their way from Google into a file that never grows beyond its limit."""

import base64
import io
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from google.auth.transport.requests import Request

from shared.adapters.google_models.client import Google
from shared.adapters.google_models.json_values import all_at, at, json_object
from shared.adapters.google_models.responses import reading
from shared.domain.errors import BadOutput
from shared.domain.keys import CreationId
from shared.ports.generator import CannotTell, NotFound, Ready

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BUCKET_SCHEME = "gs://"
DATA_MARK = ";base64,"
BUCKET_HOSTS = {"storage.googleapis.com", "storage.cloud.google.com", "www.googleapis.com"}
BUCKET_SUBDOMAIN = ".storage.googleapis.com"
CHUNK_BYTES = 1024 * 1024
LISTED_PAGES_MAX = 100
"""Of a folder that one attempt writes: more pages than that are no listing."""
_OBJECT = re.compile(r"[^/]+/.*[^/]", re.DOTALL)
"""Bucket and name; a name with a slash at its end is a folder."""
_SPELLINGS = str.maketrans("-_", "+/", string.whitespace)
"""Makes one alphabet of both; splitting a text into lines would take a multiple of its size."""
_VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".mpeg", ".mpg", ".avi", ".3gp"}
_OTHER_SUFFIXES = {".json", ".jsonl", ".txt", ".csv", ".vtt", ".srt", ".jpg", ".jpeg", ".png"} | {
    ".webp",
    ".gif",
    ".wav",
    ".mp3",
}
_OTHER_TYPES = ("text/", "image/", "audio/", "application/json", "application/x-ndjson")


class MediaFile(io.FileIO):
    """A new file that takes chunks up to a size."""

    def __init__(self, path: Path, *, size_bytes_max: int) -> None:
        super().__init__(path, "x")
        self._size_bytes_max = size_bytes_max

    def write(self, chunk: "ReadableBuffer", /) -> int:
        """Add a chunk, or raise `BadOutput`."""
        if self.tell() + len(memoryview(chunk)) > self._size_bytes_max:
            raise BadOutput(reason=f"it is larger than {self._size_bytes_max} bytes")
        return super().write(chunk)


def decoded(text: object) -> bytes:
    """Return the bytes of media that came inside an answer, or raise `BadOutput`.

    Both alphabets of base64 are accepted, with padding or without, on one line or on many, also
    as a `data:` address.
    """
    if not isinstance(text, str):
        raise BadOutput(reason="it is no media")
    letters = text.rpartition(DATA_MARK)[2].translate(_SPELLINGS).rstrip("=")
    try:
        content = base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except ValueError as error:
        raise BadOutput(reason=repr(error)) from error
    if not content:
        raise BadOutput(reason="it is empty")
    return content


def bucket_address(address: object) -> str | None:
    """Return the `gs://` address of an object in Cloud Storage, or None for any other place."""
    if not isinstance(address, str):
        return None
    if address.startswith(BUCKET_SCHEME):
        return address if _OBJECT.fullmatch(address.removeprefix(BUCKET_SCHEME)) else None
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return None
    path = unquote(re.sub(r"^(/download)?/storage/v1/b/([^/]+)/o/", r"/\2/", parts.path))
    if host.endswith(BUCKET_SUBDOMAIN):
        path = f"/{host.removesuffix(BUCKET_SUBDOMAIN)}{path}"
    elif host not in BUCKET_HOSTS:
        return None
    return f"{BUCKET_SCHEME}{path[1:]}" if _OBJECT.fullmatch(path[1:]) else None


@dataclass(frozen=True)
class _Object:
    """An object in the bucket, as a listing describes it."""

    name: str
    size_bytes: int
    content_type: str

    @classmethod
    def of(cls, entry: object) -> "_Object":
        """Return the object of a listing's entry; a missing size counts as one byte."""
        size = str(at(entry, "size"))
        return cls(
            name=str(at(entry, "name") or ""),
            size_bytes=int(size) if size.isdecimal() else 1,
            content_type=str(at(entry, "contentType") or ""),
        )

    @property
    def rank(self) -> tuple[int, int]:
        """Return how good a candidate for the video it is: a video first, then by size."""
        suffix = PurePosixPath(self.name).suffix.lower()
        if self.size_bytes == 0 or self.name.endswith("/") or not self.name:
            return 0, 0
        if suffix in _OTHER_SUFFIXES:
            return 0, 0
        if suffix in _VIDEO_SUFFIXES or self.content_type.startswith("video/"):
            return 2, self.size_bytes
        return (0, 0) if self.content_type.startswith(_OTHER_TYPES) else (1, self.size_bytes)


class Outputs:
    """Where Google Cloud puts videos: a folder of the bucket for each attempt, if there is one.

    The protocol is https://cloud.google.com/storage/docs/json_api.
    """

    def __init__(self, google: Google, *, bucket: str | None, url: str) -> None:
        self._google = google
        self._bucket = bucket
        self._url = url

    def folder(self, creation_id: CreationId, *, attempt: int) -> str | None:
        """Return where the output of this attempt belongs, or None without a bucket."""
        if self._bucket is None:
            return None
        return f"{BUCKET_SCHEME}{self._bucket}/{creation_id}/{attempt}/"

    def find(self, creation_id: CreationId, *, attempt: int) -> Ready | NotFound | CannotTell:
        """Look for the output of this attempt, the largest video: see `Generator.find_output`."""
        folder = self.folder(creation_id, attempt=attempt)
        if folder is None:
            return CannotTell()
        bucket, prefix = _split(folder)
        with reading():
            best = max(self._listed(bucket, prefix), key=lambda each: each.rank, default=None)
        if best is None or best.rank == (0, 0):
            return NotFound()
        return Ready(f"{BUCKET_SCHEME}{bucket}/{best.name}")

    def _listed(self, bucket: str, prefix: str) -> Iterator[_Object]:
        """Yield what lies under a prefix, page by page."""
        asked = {"prefix": prefix, "fields": "items(name,size,contentType),nextPageToken"}
        for _ in range(LISTED_PAGES_MAX):
            answer = self._google.http.get(
                f"{self._url}/storage/v1/b/{quote(bucket)}/o", params=asked, headers=self._headers()
            ).json()
            yield from map(_Object.of, all_at(json_object(answer), "items"))
            if not (token := at(answer, "nextPageToken")):
                return
            asked["pageToken"] = str(token)

    def fetch(self, address: str, path: Path, *, size_bytes_max: int) -> None:
        """Write the object at a `gs://` address to a new file: see `Generator.fetch`."""
        bucket, name = _split(address)
        with (
            reading(),
            MediaFile(path, size_bytes_max=size_bytes_max) as file,
            self._google.http.stream(
                "GET",
                f"{self._url}/storage/v1/b/{quote(bucket)}/o/{quote(name, safe='')}",
                params={"alt": "media"},
                headers=self._headers(),
            ) as body,
        ):
            for chunk in body.iter_raw(CHUNK_BYTES):
                file.write(chunk)

    def _headers(self) -> dict[str, str]:
        credentials = self._google.credentials
        if credentials is None:
            return {}
        if not credentials.valid:
            credentials.refresh(Request())  # type: ignore[no-untyped-call]  # it ships no types
        return {"Authorization": f"Bearer {credentials.token}"}


def _split(address: str) -> tuple[str, str]:
    """Return bucket and name of `gs://bucket/name`."""
    bucket, _, name = address.removeprefix(BUCKET_SCHEME).partition("/")
    return bucket, name
