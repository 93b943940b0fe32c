"""Media in Cloudflare R2: a private bucket behind signed links, and a public one.

R2 speaks the S3 protocol but rejects the checksums that newer SDKs add by default.
https://developers.cloudflare.com/r2/api/s3/api/
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shared.adapters.r2.signed_links import LinkSigner
from shared.domain.errors import MediaMissing, MediaRefused, MediaUnavailable
from shared.domain.media import PUBLIC_PREFIX, MediaFormat
from shared.once import Once
from shared.ports.media_store import CHUNK_BYTES, StoredFile, disposition

REGION = "auto"
PRIVATE_CACHING = "private"
PUBLIC_CACHING = "public, max-age=30"
CONNECT_TIMEOUT_S = 10
"""Also the longest stall of an upload."""
READ_TIMEOUT_S = 30
"""Long enough to copy the largest video."""
READ_RETRIES_MAX = 2
READ_PAUSE_S = 0.2
"""Before the first retry; each next pause is twice as long."""
CONNECTIONS_MAX = 32
_RETRYABLE = {408, 409, 425, 429}
"""4xx statuses that may change: Request Timeout, Conflict, Too Early, Too Many Requests."""
_TRANSFER_ERRORS = frozenset(
    ["IncompleteBody", "ClientDisconnect", "BadDigest", "RequestTimeout", "RequestTimeTooSkewed"]
)
"""Codes of 4xx responses to a request that arrived damaged or late."""
NO_BUCKET = "NoSuchBucket"


@dataclass(kw_only=True, eq=False)
class R2MediaStore:
    """The `MediaStore` on Cloudflare R2; thread-safe."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    drafts_bucket: str
    public_bucket: str
    public_url: str
    read_timeout_s: float = READ_TIMEOUT_S

    def __post_init__(self) -> None:
        self._client = Once(self._connect)

    def close(self) -> None:
        self._client.close(lambda client: client.close())

    def put(self, path: Path, key: str, *, media_format: MediaFormat) -> None:
        headers = {"ContentType": media_format.content_type, "CacheControl": PRIVATE_CACHING}
        with _translated(expected=HTTPStatus.PRECONDITION_FAILED), path.open("rb") as body:
            target = self._object(key)
            self._client().put_object(**target, **headers, Body=body, IfNoneMatch="*")

    def size_bytes(self, key: str) -> int | None:
        with _translated(expected=HTTPStatus.NOT_FOUND):
            return int(self._client().head_object(**self._object(key))["ContentLength"])
        return None

    def read(self, key: str) -> Iterator[bytes]:
        """Resume a broken response where it ended, up to `READ_RETRIES_MAX` times without progress."""
        offset = retries = 0
        while True:
            try:
                for chunk in self._read_from(offset, key):
                    retries = 0
                    offset += len(chunk)
                    yield chunk
            except MediaRefused:
                raise
            except MediaUnavailable:
                if retries == READ_RETRIES_MAX:
                    raise
                time.sleep(READ_PAUSE_S * 2**retries)
                retries += 1
            else:
                return

    def _read_from(self, offset: int, key: str) -> Iterator[bytes]:
        """Stream a file from an offset in one request."""
        part = {"Range": f"bytes={offset}-"} if offset else {}
        with _translated(expected=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE), _missing(offset):
            body = self._client().get_object(**self._object(key), **part)["Body"]
            with contextlib.closing(body):
                while chunk := body.read(CHUNK_BYTES):
                    yield chunk

    def private_link(self, key: str, *, expires_at: datetime, filename: str = "") -> str:
        overrides = {
            "response-cache-control": PRIVATE_CACHING,
            "response-content-disposition": disposition(filename),
            "response-content-type": _content_type(key),
        }
        url = f"{self.endpoint_url.rstrip('/')}/{self.drafts_bucket}/{quote(key)}"
        signer = LinkSigner(self.access_key_id, self.secret_access_key, REGION)
        return signer.signed(url, overrides, expires_at=expires_at)

    def public_link(self, key: str) -> str:
        return f"{self.public_url.rstrip('/')}/{quote(key)}"

    def publish(self, key: str, public_key: str) -> None:
        with _translated(), _missing():
            copied = self._client().copy_object(
                **self._object(public_key),
                CopySource=self._object(key),
                MetadataDirective="REPLACE",
                ContentType=_content_type(key),
                CacheControl=PUBLIC_CACHING,
            )
        if "ETag" not in copied.get("CopyObjectResult", {}):
            raise MediaUnavailable(reason=f"{key}: the response does not confirm the copy")

    def delete(self, key: str) -> None:
        with _translated():
            self._client().delete_object(**self._object(key))

    def has_room(self, size_bytes: int) -> bool:  # noqa: ARG002 (a bucket has no limit)
        return True

    def everything(self) -> Iterator[StoredFile]:
        for bucket, prefix in ((self.drafts_bucket, ""), (self.public_bucket, PUBLIC_PREFIX)):
            with _translated():
                pages = self._client().get_paginator("list_objects_v2")
                for page in pages.paginate(Bucket=bucket, Prefix=prefix):
                    for stored in page.get("Contents", ()):
                        yield StoredFile(stored["Key"], stored["Size"], stored["LastModified"])

    def _object(self, key: str) -> dict[str, str]:
        is_public = key.startswith(PUBLIC_PREFIX)
        return {"Bucket": self.public_bucket if is_public else self.drafts_bucket, "Key": key}

    def _connect(self) -> Any:  # noqa: ANN401 (boto3 has no types)
        import boto3
        from botocore.config import Config

        session = boto3.session.Session(
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name=REGION,
        )
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            # R2 rejects the checksums that the SDK adds by default.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # Callers retry; retries in the SDK would multiply theirs.
            retries={"total_max_attempts": 1},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=self.read_timeout_s,
            max_pool_connections=CONNECTIONS_MAX,
        )
        return session.client("s3", endpoint_url=self.endpoint_url, config=config)


_CONTENT_TYPES = {str(each): each.content_type for each in MediaFormat}


def _content_type(key: str) -> str:
    return _CONTENT_TYPES.get(key.rsplit(".", 1)[-1], "application/octet-stream")


def _status(error: Any) -> tuple[int, str]:  # noqa: ANN401 (botocore has no types)
    """Return the HTTP status and the error code of a `ClientError`."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]


def _is_permanent(error: Any) -> bool:  # noqa: ANN401 (botocore has no types)
    status, code = _status(error)
    is_client_error = 400 <= status < 500 and status not in _RETRYABLE  # noqa: PLR2004 (HTTP)
    return is_client_error and code not in _TRANSFER_ERRORS


@contextlib.contextmanager
def _missing(offset: int = 0) -> Iterator[None]:
    """Translate 404 for a key; after an `offset` has been read, the file was deleted meanwhile."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        status, code = _status(error)
        if status == HTTPStatus.NOT_FOUND and code != NO_BUCKET:
            raised = MediaRefused if offset else MediaMissing
            raise raised(reason=str(error)) from error
        raise


@contextlib.contextmanager
def _translated(*, expected: HTTPStatus | None = None) -> Iterator[None]:
    """Translate the SDK's errors; ignore one with the expected status."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        if _status(error)[0] != expected:
            raised = MediaRefused if _is_permanent(error) else MediaUnavailable
            raise raised(reason=str(error)) from error
    except (BotoCoreError, ResponseParserError, HTTPError) as error:
        raise MediaUnavailable(reason=str(error)) from error
