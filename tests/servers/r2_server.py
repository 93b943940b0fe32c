"""A fake R2: moto's S3 with R2's checks.

moto accepts any signature and expired links. This server verifies signatures with the SDK's own
signer, expires links, and rejects what R2 rejects. The public bucket has its own URL, like a
custom domain.
https://developers.cloudflare.com/r2/api/s3/api/
"""

import hashlib
import hmac
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import IO, Any, Self

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug import Request, Response
from werkzeug.test import Client

from shared.adapters.system.clock import SystemClock
from tests.servers.web_server import WebServer

REGION = "auto"
ACCESS_KEY_ID = "phoenix-test"
SECRET_ACCESS_KEY = "a-secret-of-the-tests"
DRAFTS_BUCKET, PUBLIC_BUCKET = "phoenix-drafts", "phoenix-public"
LINK_LIFE_MAX_S = 7 * 24 * 3600
REFUSED_HEADERS = ("x-amz-acl", "x-amz-checksum-", "x-amz-grant-", "x-amz-tagging", "x-amz-trailer")
READ_BYTES = 1024 * 1024
_SIGNED_FOR_MOTO = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=moto/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=unchecked"
}


class Fault(StrEnum):
    """A fault of one request."""

    DOWN = "not applied, 503"
    UNANSWERED = "applied, 500"
    SILENT = "not applied, no response"
    BUSY = "not applied, 429"
    SLOW = "not applied, 408"
    CONFLICT = "not applied, 409"
    FORBIDDEN = "not applied, 403"
    UNKNOWN_KEY = "not applied, 401"
    PAGE = "not applied, 200 and a page"


class Cut(StrEnum):
    """Error codes for an upload that arrived damaged or late."""

    BODY = "IncompleteBody"
    CLIENT = "ClientDisconnect"
    DIGEST = "BadDigest"
    TIME = "RequestTimeout"
    CLOCK = "RequestTimeTooSkewed"


class Broken(StrEnum):
    """Faults of a response's body."""

    HALF = "applied, the connection breaks in the middle"


UNDONE = {
    Fault.SILENT: (HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable"),
    Fault.DOWN: (HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable"),
    Fault.BUSY: (HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests"),
    Fault.SLOW: (HTTPStatus.REQUEST_TIMEOUT, "RequestTimeout"),
    Fault.CONFLICT: (HTTPStatus.CONFLICT, "OperationAborted"),
    Fault.FORBIDDEN: (HTTPStatus.FORBIDDEN, "AccessDenied"),
    Fault.UNKNOWN_KEY: (HTTPStatus.UNAUTHORIZED, "Unauthorized"),
}
"""Responses of the faults that apply nothing."""


@dataclass(frozen=True)
class Seen:
    """A received request."""

    method: str
    path: str
    headers: Mapping[str, str]
    size_bytes: int
    sha256: str


class R2Server:
    """Serves both buckets during its `with` block; at most one per process, as moto's data.

    One that lives as long as the tests of several modules needs `own_process`.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        """Provide `settings` for a media store.

        Each fault is used once; links expire by `now`. `calls` counts requests; `seen` holds those
        that were read.
        """
        self.calls = 0
        self.faults: list[Fault | Cut | Broken | None] = []
        self.seen: list[Seen] = []
        self.now: Callable[[], datetime] = SystemClock().now
        self._s3 = DomainDispatcherApplication(create_backend_app)
        self._closing = threading.Event()
        self._running = ExitStack()
        self._api = WebServer(Request.application(self._answer), tls=tls)
        self._public = WebServer(Request.application(self._answer_reader))
        self.settings: dict[str, Any] = {
            "endpoint_url": self._api.url,
            "access_key_id": ACCESS_KEY_ID,
            "secret_access_key": SECRET_ACCESS_KEY,
            "drafts_bucket": DRAFTS_BUCKET,
            "public_bucket": PUBLIC_BUCKET,
            "public_url": self._public.url,
        }

    def __enter__(self) -> Self:
        client = Client(self._s3)
        self._running.callback(client.post, "/moto-api/reset")
        for bucket in (DRAFTS_BUCKET, PUBLIC_BUCKET):
            assert client.put(f"/{bucket}", headers=_SIGNED_FOR_MOTO).status_code == HTTPStatus.OK
        self._running.enter_context(self._api)
        self._running.enter_context(self._public)
        self._running.callback(self._closing.set)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def _answer(self, request: Request) -> Response:
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else None
        if fault is Fault.SILENT:
            self._closing.wait()
        if isinstance(fault, Cut):
            return _refusal(HTTPStatus.BAD_REQUEST, fault)
        if isinstance(fault, Fault) and fault in UNDONE:
            return _refusal(*UNDONE[fault])
        if fault is Fault.PAGE:
            return Response("<html>sign in</html>", content_type="text/html")
        with tempfile.TemporaryFile() as body:
            seen = _received(request, body)
            self.seen.append(seen)
            answer = self._refused(request, seen)
            if answer is None:
                environ = {**request.environ, "wsgi.input": body}
                answer = Response.from_app(self._s3, environ, buffered=True)
        if fault is Fault.UNANSWERED:
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError")
        if fault is Broken.HALF:
            half = answer.data[: len(answer.data) // 2]
            return Response([half], answer.status_code, answer.headers)
        return answer

    def _refused(self, request: Request, seen: Seen) -> Response | None:
        """Return R2's error for a request, or None."""
        is_chunked = "aws-chunked" in seen.headers.get("content-encoding", "")
        if is_chunked or any(name.startswith(REFUSED_HEADERS) for name in seen.headers):
            return _refusal(HTTPStatus.NOT_IMPLEMENTED, "NotImplemented")
        if "X-Amz-Signature" in request.args:
            is_good = _is_link_good(request, now=self.now())
        else:
            is_good = _is_header_good(request, seen)
        return None if is_good else _refusal(HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch")

    def _answer_reader(self, request: Request) -> Response:
        """Serve the public bucket."""
        path = f"/{PUBLIC_BUCKET}{request.environ['RAW_URI']}"
        stored = Client(self._s3).get(path, headers=_SIGNED_FOR_MOTO)
        return Response(stored.data, stored.status_code, stored.headers)


def _received(request: Request, body: IO[bytes]) -> Seen:
    """Write the request's body to a file."""
    digest = hashlib.sha256()
    while chunk := request.stream.read(READ_BYTES):
        digest.update(chunk)
        body.write(chunk)
    size_bytes = body.tell()
    body.seek(0)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Seen(request.method, request.path, headers, size_bytes, digest.hexdigest())


def _is_header_good(request: Request, seen: Seen) -> bool:
    """Return whether the Authorization header signs this request and body."""
    scheme, _, rest = seen.headers.get("authorization", "").partition(" ")
    claims = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if scheme != "AWS4-HMAC-SHA256" or seen.headers.get("x-amz-content-sha256") != seen.sha256:
        return False
    signed = {name: seen.headers.get(name, "") for name in claims["SignedHeaders"].split(";")}
    dated = seen.headers["x-amz-date"]
    signer = S3SigV4Auth(Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY), "s3", REGION)
    return _is_signed(request, request.query_string.decode(), signed, dated, signer, claims)


def _is_link_good(request: Request, *, now: datetime) -> bool:
    """Return whether the query signs this request and is not expired."""
    claims = {
        name.removeprefix("X-Amz-"): value
        for name, value in request.args.items()
        if name.startswith("X-Amz-")
    }
    began_at = datetime.strptime(claims["Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    life_s = int(claims["Expires"])
    is_live = began_at <= now < began_at + timedelta(seconds=life_s)
    if not (is_live and life_s <= LINK_LIFE_MAX_S and claims["SignedHeaders"] == "host"):
        return False
    query = request.query_string.decode().removesuffix(f"&X-Amz-Signature={claims['Signature']}")
    signer = S3SigV4QueryAuth(Credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY), "s3", REGION)
    signed = {"host": request.host}
    return _is_signed(request, query, signed, claims["Date"], signer, claims)


def _is_signed(
    request: Request,
    query: str,
    headers: Mapping[str, str],
    dated: str,
    signer: Any,
    claims: Mapping[str, str],
) -> bool:
    """Recompute the signature of a request and compare."""
    path = request.environ["RAW_URI"].partition("?")[0]
    again = AWSRequest(request.method, f"http://{request.host}{path}?{query}", headers)
    again.context["timestamp"] = dated
    text = signer.string_to_sign(again, signer.canonical_request(again))
    expected = signer.signature(text, again)
    is_ours = claims["Credential"] == signer.scope(again)
    return is_ours and hmac.compare_digest(expected, claims["Signature"])


def _refusal(status: HTTPStatus, code: str) -> Response:
    error = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return Response(error, status, content_type="application/xml")


@contextmanager
def own_process() -> Iterator[str]:
    """Run an `R2Server` in another process, which ends with its input, and yield its URL."""
    command, pipe = [sys.executable, "-m", __name__], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


if __name__ == "__main__":
    with R2Server() as server:
        sys.stdout.write(f"{server.settings['endpoint_url']}\n")
        sys.stdout.flush()
        sys.stdin.read()
