"""Media from Google: decoding, and downloads with a size limit."""

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

from shared.adapters.google_models.client import GoogleClient
from shared.adapters.google_models.json_paths import get_list, get_path, json_object
from shared.adapters.google_models.responses import translated_read_errors
from shared.domain.errors import BadOutput
from shared.domain.keys import CreationId
from shared.ports.generator import CannotTell, NotFound, Ready

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

GCS_SCHEME = "gs://"
DATA_URL_MARKER = ";base64,"
GCS_HOSTS = {"storage.googleapis.com", "storage.cloud.google.com", "www.googleapis.com"}
GCS_SUBDOMAIN = ".storage.googleapis.com"
CHUNK_BYTES = 1024 * 1024
LISTED_PAGES_MAX = 100
"""Bound on the listing of one attempt's folder."""
_OBJECT = re.compile(r"[^/]+/.*[^/]", re.DOTALL)
"""Bucket and object name; a name that ends with a slash is a folder."""
_BASE64_ALPHABETS = str.maketrans("-_", "+/", string.whitespace)
"""Maps the URL-safe alphabet to the standard one and drops whitespace, without splitting lines."""
_VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".mpeg", ".mpg", ".avi", ".3gp"}
_OTHER_SUFFIXES = {
    *(".json", ".jsonl", ".txt", ".csv", ".vtt", ".srt", ".jpg", ".jpeg", ".png", ".webp"),
    *(".gif", ".wav", ".mp3"),
}
_OTHER_TYPES = ("text/", "image/", "audio/", "application/json", "application/x-ndjson")


class BoundedFile(io.FileIO):
    def __init__(self, path: Path, *, size_bytes_max: int) -> None:
        super().__init__(path, "x")
        self._size_bytes_max = size_bytes_max

    def write(self, chunk: "ReadableBuffer", /) -> int:
        if self.tell() + len(memoryview(chunk)) > self._size_bytes_max:
            raise BadOutput(reason=f"larger than {self._size_bytes_max} bytes")
        return super().write(chunk)


def decode_media(text: object) -> bytes:
    """Decode base64: either alphabet, padded or not, in lines or not, or in a `data:` URL."""
    if not isinstance(text, str):
        raise BadOutput(reason="not base64 text")
    letters = text.rpartition(DATA_URL_MARKER)[2].translate(_BASE64_ALPHABETS).rstrip("=")
    try:
        content = base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except ValueError as error:
        raise BadOutput(reason=repr(error)) from error
    if not content:
        raise BadOutput(reason="empty media")
    return content


def gcs_uri(address: object) -> str | None:
    """Return the `gs://` URI of an object in Cloud Storage, or None for any other address."""
    if not isinstance(address, str):
        return None
    if address.startswith(GCS_SCHEME):
        return address if _OBJECT.fullmatch(address.removeprefix(GCS_SCHEME)) else None
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return None
    path = unquote(re.sub(r"^(/download)?/storage/v1/b/([^/]+)/o/", r"/\2/", parts.path))
    if host.endswith(GCS_SUBDOMAIN):
        path = f"/{host.removesuffix(GCS_SUBDOMAIN)}{path}"
    elif host not in GCS_HOSTS:
        return None
    return f"{GCS_SCHEME}{path[1:]}" if _OBJECT.fullmatch(path[1:]) else None


@dataclass(frozen=True)
class _Object:
    name: str
    size_bytes: int
    content_type: str

    @classmethod
    def of(cls, entry: object) -> "_Object":
        """Parse a listing entry; a missing size counts as one byte."""
        size = str(get_path(entry, "size"))
        return cls(
            name=str(get_path(entry, "name") or ""),
            size_bytes=int(size) if size.isdecimal() else 1,
            content_type=str(get_path(entry, "contentType") or ""),
        )

    @property
    def rank(self) -> tuple[int, int]:
        """Rank as a candidate for the output: videos first, then unknown types, then by size."""
        suffix = PurePosixPath(self.name).suffix.lower()
        is_empty = self.size_bytes == 0 or self.name.endswith("/") or not self.name
        if is_empty or suffix in _OTHER_SUFFIXES:
            return 0, 0
        if suffix in _VIDEO_SUFFIXES or self.content_type.startswith("video/"):
            return 2, self.size_bytes
        return (0, 0) if self.content_type.startswith(_OTHER_TYPES) else (1, self.size_bytes)


@dataclass(frozen=True)
class OutputBucket:
    """The bucket for generated videos, if configured: one folder for each attempt.

    https://cloud.google.com/storage/docs/json_api
    """

    google: GoogleClient
    bucket: str | None
    url: str

    def folder(self, creation_id: CreationId, *, attempt: int) -> str | None:
        """Return the `gs://` folder of this attempt's output, or None without a bucket."""
        return self.bucket and f"{GCS_SCHEME}{self.bucket}/{creation_id}/{attempt}/"

    def find(self, creation_id: CreationId, *, attempt: int) -> Ready | NotFound | CannotTell:
        folder = self.folder(creation_id, attempt=attempt)
        if folder is None:
            return CannotTell()
        bucket, prefix = _split(folder)
        with translated_read_errors():
            best = max(self._listed(bucket, prefix), key=lambda each: each.rank, default=None)
        if best is None or best.rank == (0, 0):
            return NotFound()
        return Ready(f"{GCS_SCHEME}{bucket}/{best.name}")

    def _listed(self, bucket: str, prefix: str) -> Iterator[_Object]:
        params = {"prefix": prefix, "fields": "items(name,size,contentType),nextPageToken"}
        for _ in range(LISTED_PAGES_MAX):
            response = self.google.http.get(
                f"{self.url}/storage/v1/b/{quote(bucket)}/o", params=params, headers=self._headers()
            ).json()
            yield from map(_Object.of, get_list(json_object(response), "items"))
            if not (token := get_path(response, "nextPageToken")):
                return
            params["pageToken"] = str(token)

    def fetch(self, address: str, path: Path, *, size_bytes_max: int) -> None:
        """Write the object at a `gs://` URI to a new file."""
        bucket, name = _split(address)
        with translated_read_errors(), BoundedFile(path, size_bytes_max=size_bytes_max) as file:
            url = f"{self.url}/storage/v1/b/{quote(bucket)}/o/{quote(name, safe='')}?alt=media"
            with self.google.http.stream("GET", url, headers=self._headers()) as body:
                for chunk in body.iter_raw(CHUNK_BYTES):
                    file.write(chunk)

    def _headers(self) -> dict[str, str]:
        credentials = self.google.credentials
        if credentials is None:
            return {}
        if not credentials.valid:
            credentials.refresh(Request())  # type: ignore[no-untyped-call]  # it ships no types
        return {"Authorization": f"Bearer {credentials.token}"}


def _split(address: str) -> tuple[str, str]:
    bucket, _, name = address.removeprefix(GCS_SCHEME).partition("/")
    return bucket, name
