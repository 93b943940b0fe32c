"""Media on their way from Google into a file that never grows beyond its limit."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from google.auth.transport.requests import Request

from shared.adapters.genai_answers import all_at, at, reading
from shared.adapters.genai_client import Google
from shared.domain.errors import BadOutput
from shared.domain.keys import CreationId
from shared.ports.generator import CannotTell, NotFound, Ready

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BUCKET_SCHEME = "gs://"
CHUNK_BYTES = 1024 * 1024


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
    """Return the bytes of media that came inside an answer, or raise `BadOutput`."""
    if not isinstance(text, str):
        raise BadOutput(reason="it is no media")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise BadOutput(reason=repr(error)) from error


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
        """Look for the output of this attempt: see `Generator.find_output`."""
        folder = self.folder(creation_id, attempt=attempt)
        if folder is None:
            return CannotTell()
        bucket, prefix = _split(folder)
        with reading():
            answer = self._google.http.get(
                f"{self._url}/storage/v1/b/{quote(bucket)}/o",
                params={"prefix": prefix, "fields": "items(name)"},
                headers=self._headers(),
            ).json()
        names = sorted(str(at(each, "name")) for each in all_at(answer, "items"))
        return Ready(f"{BUCKET_SCHEME}{bucket}/{names[0]}") if names else NotFound()

    def fetch(self, address: str, path: Path, *, size_bytes_max: int) -> None:
        """Write the object at a `gs://` address to a new file: see `Generator.fetch`."""
        bucket, name = _split(address)
        url = f"{self._url}/storage/v1/b/{quote(bucket)}/o/{quote(name, safe='')}"
        with (
            reading(),
            MediaFile(path, size_bytes_max=size_bytes_max) as file,
            self._google.http.stream(
                "GET", url, params={"alt": "media"}, headers=self._headers()
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
