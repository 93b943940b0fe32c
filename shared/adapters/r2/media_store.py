"""Media in Cloudflare R2: a private bucket behind signed links, and a public one.

R2 speaks S3's protocol and refuses the checksums that newer SDKs add to it by themselves.
https://developers.cloudflare.com/r2/api/s3/api/
"""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shared.adapters.r2.signed_links import LinkSigner
from shared.domain.errors import MediaMissing, MediaRefused, MediaUnavailable
from shared.domain.media import PUBLIC_PREFIX, MediaFormat
from shared.once import Once
from shared.ports.media_store import StoredFile

REGION = "auto"
PRIVATE_CACHING = "private"
PUBLIC_CACHING = "public, max-age=30"
SINGLE_PUT_BYTES_MAX = 100 * 1024 * 1024
"""What is larger is sent in parts."""
PART_BYTES = 64 * 1024 * 1024
"""R2 wants all parts but the last to be of one size."""
CONNECT_TIMEOUT_S = 10
"""How long a connection may take, and how long an upload may stand still."""
READ_TIMEOUT_S = 30
"""How long the store may be silent, also while it copies the largest video."""
CONNECTIONS_MAX = 32
_PASSING = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""The 4xx answers that repeating the request may change."""
_CUT = frozenset(
    {
        *("IncompleteBody", "ClientDisconnect", "BadDigest", "RequestTimeout"),
        "RequestTimeTooSkewed",
    }
)
"""The names of 4xx answers to a request that did not arrive as it was sent, or too late."""
NO_BUCKET = "NoSuchBucket"


class R2MediaStore:
    """The `MediaStore` on Cloudflare R2; one client serves all threads."""

    def __init__(
        self,
        *,
        endpoint_url: str,
        access_key_id: str,
        secret_access_key: str,
        drafts_bucket: str,
        public_bucket: str,
        public_url: str,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        """Keep private files in one bucket and public ones in the other, read at `public_url`."""
        self._endpoint_url = endpoint_url.rstrip("/")
        self._access_key_id = access_key_id
        self._secret_access_key = secret_access_key
        self._drafts_bucket = drafts_bucket
        self._public_bucket = public_bucket
        self._public_url = public_url.rstrip("/")
        self._read_timeout_s = read_timeout_s
        self._signer = LinkSigner(access_key_id, secret_access_key, region=REGION)
        self._client = Once(self._connect)

    def close(self) -> None:
        """Close the connections."""
        self._client.close(lambda client: client.close())

    def put(self, path: Path, key: str, *, media_format: MediaFormat) -> None:
        """See `MediaStore.put`."""
        from botocore.exceptions import ClientError

        headers = {"ContentType": media_format.content_type, "CacheControl": PRIVATE_CACHING}
        is_large = path.stat().st_size > SINGLE_PUT_BYTES_MAX
        send = self._put_in_parts if is_large else self._put_whole
        with _translated():
            try:
                send(path, {**self._place(key), **headers})
            except ClientError as error:
                if _status(error) != HTTPStatus.PRECONDITION_FAILED:
                    raise

    def _put_whole(self, path: Path, file: dict[str, str]) -> None:
        with path.open("rb") as body:
            self._client().put_object(**file, Body=body, IfNoneMatch="*")

    def _put_in_parts(self, path: Path, file: dict[str, str]) -> None:
        """Send a file part by part; one that breaks off leaves nothing that can be seen."""
        client = self._client()
        begun = client.create_multipart_upload(**file)
        upload = {name: begun[name] for name in ("Bucket", "Key", "UploadId")}
        try:
            parts = [
                {
                    "PartNumber": number,
                    "ETag": client.upload_part(**upload, PartNumber=number, Body=part)["ETag"],
                }
                for number, part in enumerate(_parts(path), start=1)
            ]
            client.complete_multipart_upload(
                **upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
            )
        except Exception:
            with contextlib.suppress(MediaUnavailable), _translated():
                client.abort_multipart_upload(**upload)
            raise

    def size_bytes(self, key: str) -> int | None:
        """See `MediaStore.size_bytes`."""
        from botocore.exceptions import ClientError

        with _translated():
            try:
                size_bytes: int = self._client().head_object(**self._place(key))["ContentLength"]
            except ClientError as error:
                if _status(error) == HTTPStatus.NOT_FOUND:
                    return None
                raise
        return size_bytes

    def private_link(self, key: str, *, expires_at: datetime) -> str:
        """See `MediaStore.private_link`."""
        answered = {
            "response-cache-control": PRIVATE_CACHING,
            "response-content-disposition": "inline",
            "response-content-type": _content_type(key),
        }
        url = f"{self._endpoint_url}/{self._drafts_bucket}/{quote(key)}"
        return self._signer.signed(url, answered, expires_at=expires_at)

    def public_link(self, key: str) -> str:
        """See `MediaStore.public_link`."""
        return f"{self._public_url}/{quote(key)}"

    def publish(self, key: str, public_key: str) -> None:
        """See `MediaStore.publish`."""
        from botocore.exceptions import ClientError

        with _translated():
            try:
                copied = self._client().copy_object(
                    **self._place(public_key),
                    CopySource=self._place(key),
                    MetadataDirective="REPLACE",
                    ContentType=_content_type(key),
                    CacheControl=PUBLIC_CACHING,
                )
            except ClientError as error:
                if _status(error) == HTTPStatus.NOT_FOUND and _code(error) != NO_BUCKET:
                    raise MediaMissing(reason=str(error)) from error
                raise
        if "ETag" not in copied.get("CopyObjectResult", {}):
            raise MediaUnavailable(reason=f"{key}: the answer does not say that it was copied")

    def delete(self, key: str) -> None:
        """See `MediaStore.delete`."""
        with _translated():
            self._client().delete_object(**self._place(key))

    def has_room(self, size_bytes: int) -> bool:  # noqa: ARG002 (a bucket has no limit)
        """See `MediaStore.has_room`."""
        return True

    def everything(self) -> Iterator[StoredFile]:
        """See `MediaStore.everything`."""
        for bucket, prefix in ((self._drafts_bucket, ""), (self._public_bucket, PUBLIC_PREFIX)):
            with _translated():
                pages = self._client().get_paginator("list_objects_v2")
                for page in pages.paginate(Bucket=bucket, Prefix=prefix):
                    for stored in page.get("Contents", ()):
                        yield StoredFile(stored["Key"], stored["Size"], stored["LastModified"])

    def _place(self, key: str) -> dict[str, str]:
        is_public = key.startswith(PUBLIC_PREFIX)
        return {"Bucket": self._public_bucket if is_public else self._drafts_bucket, "Key": key}

    def _connect(self) -> Any:  # noqa: ANN401 (the vendor ships no types)
        import boto3
        from botocore.config import Config

        session = boto3.session.Session(
            aws_access_key_id=self._access_key_id,
            aws_secret_access_key=self._secret_access_key,
            region_name=REGION,
        )
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            # R2 refuses a request that carries a checksum of the SDK's own accord.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # Whoever calls tries again: an SDK that does too multiplies the tries.
            retries={"total_max_attempts": 1},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=self._read_timeout_s,
            max_pool_connections=CONNECTIONS_MAX,
        )
        return session.client("s3", endpoint_url=self._endpoint_url, config=config)


def _parts(path: Path) -> Iterator[Any]:
    """Yield the parts of a file as files: bytes would stay in the SDK's garbage for a while."""
    from s3transfer.utils import ReadFileChunk

    for start in range(0, path.stat().st_size, PART_BYTES):
        with ReadFileChunk.from_filename(path, start, PART_BYTES) as part:
            yield part


def _content_type(key: str) -> str:
    extension = key.rsplit(".", 1)[-1]
    is_known = extension in list(MediaFormat)
    return MediaFormat(extension).content_type if is_known else "application/octet-stream"


def _status(error: Any) -> int:  # noqa: ANN401 (the vendor ships no types)
    status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status


def _code(error: Any) -> str:  # noqa: ANN401 (the vendor ships no types)
    code: str = error.response["Error"]["Code"]
    return code


def _is_final(error: Any) -> bool:  # noqa: ANN401 (the vendor ships no types)
    is_no = 400 <= _status(error) < 500 and _status(error) not in _PASSING  # noqa: PLR2004 (HTTP)
    return is_no and _code(error) not in _CUT


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        if _is_final(error):
            raise MediaRefused(reason=str(error)) from error
        raise MediaUnavailable(reason=str(error)) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise MediaUnavailable(reason=str(error)) from error
