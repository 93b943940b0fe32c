"""Client of Google's generators: one model on one surface.

google-genai raises two partly private error trees, follows redirects, may retry and reads bodies
of any size. Its requests therefore go through `GuardedTransport`, which raises four errors that the
SDK passes on unchanged.
"""

import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus

import google.auth
import httpx2
from google import genai
from google.auth.credentials import Credentials
from google.genai import types

from shared.adapters.google_models.cards import ModelCard, Surface
from shared.adapters.google_models.errors import parse_error, reasons
from shared.heavy_work import heavy_work

VIDEO_TIMEOUT_S = 60
IMAGE_TIMEOUT_S = 120
"""An image is generated during its start request."""
ERROR_SIZE_BYTES_MAX = 64 * 1024
REASON_LENGTH_MAX = 500
RESOLUTION = "720p"
BASE64_FACTOR = 4 / 3
NON_MEDIA_BYTES_MAX = 8 * 1024 * 1024
"""Size limit of a response's other content: text, drafts, signatures."""
LIGHT_BYTES_MAX = 256 * 1024
"""Size limit of a response that needs no turn: a state, a list, an image of few pixels."""
CLOUD_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
STORAGE_URL = "https://storage.googleapis.com"
API_VERSIONS = {Surface.AGENT_PLATFORM: "v1beta1", Surface.GEMINI_API: "v1"}


_turn: ContextVar[ExitStack | None] = ContextVar("turn", default=None)


@contextmanager
def parsed_in_turn() -> Iterator[None]:
    """Parse responses in the block: a large one is heavy work from its last byte to the block's end.

    A base64 video is in memory several times while the SDK and the adapter parse it.
    """
    with ExitStack() as turn:
        before = _turn.set(turn)
        try:
            yield
        finally:
            _turn.reset(before)


def _take_turn(size_bytes: int) -> None:
    turn = _turn.get()
    if turn is not None and size_bytes > LIGHT_BYTES_MAX:
        turn.enter_context(heavy_work())
        _turn.set(None)  # it lasts for a further response of the block


class ConnectFailed(Exception):
    """No connection or no TLS: nothing has reached the vendor."""


class NoResponse(Exception):
    """The request was sent, but no complete response arrived in time."""


class ResponseTooLarge(Exception):
    """The response exceeds its size limit; the rest was not read."""


class ErrorResponse(Exception):
    """An HTTP status other than 2xx, with the vendor's error object if there is one."""

    def __init__(
        self, status: int, *, text: str, retry_after: str | None, secret: str | None = None
    ) -> None:
        """Redact the secret: Google repeats an API key in some messages."""
        self.error = parse_error(text)
        message = str(self.error.get("message") if isinstance(self.error, dict) else text)
        redacted = message.replace(secret, "***") if secret else message
        because = f" ({', '.join(reasons(self.error))})" if reasons(self.error) else ""
        super().__init__(f"{status}{because}: {redacted[:REASON_LENGTH_MAX]}")
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True)
class ApiKey:
    key: str = field(repr=False)


@dataclass(frozen=True)
class CloudProject:
    """Access to Google Cloud, by default as the process's service account."""

    project: str
    bucket: str | None = None
    """Where videos are stored; None: inside the response."""
    credentials: Credentials | None = field(default=None, repr=False)


@dataclass(frozen=True)
class GoogleClient:
    sdk: genai.Client
    http: httpx2.Client
    credentials: Credentials | None = None


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How a generator reaches its vendor; URLs default to the vendor's own."""

    access: ApiKey | CloudProject
    base_url: str | None = None
    storage_url: str = STORAGE_URL
    timeout_s: float | None = None

    @property
    def bucket(self) -> str | None:
        return self.access.bucket if isinstance(self.access, CloudProject) else None

    def open(self, card: ModelCard, *, timeout_s: float, size_bytes_max: int) -> GoogleClient:
        """Open a client for one model whose media have at most this size.

        Keep a reference: the SDK closes the transport when its client is garbage collected.
        """
        timeout_s = self.timeout_s or timeout_s
        bytes_max = int(size_bytes_max * BASE64_FACTOR) + NON_MEDIA_BYTES_MAX
        key = self.access.key if isinstance(self.access, ApiKey) else None
        http = httpx2.Client(
            transport=GuardedTransport(timeout_s=timeout_s, size_bytes_max=bytes_max, secret=key),
            timeout=timeout_s,
            follow_redirects=True,
            headers={"Accept-Encoding": "identity"},
        )
        tls = {"verify": _tls(), "ssl": _tls()}  # for clients that the SDK creates but never uses
        options = types.HttpOptions(
            base_url=self.base_url,
            api_version=card.api_version or API_VERSIONS[card.surface],
            timeout=int(timeout_s * 1000),
            retry_options=types.HttpRetryOptions(attempts=1),
            httpx_client=http,
            client_args=tls,
            async_client_args=tls,
        )
        if isinstance(self.access, ApiKey):
            sdk = genai.Client(enterprise=False, api_key=key, http_options=options)
            return GoogleClient(sdk, http)
        credentials = self.access.credentials or google.auth.default(scopes=[CLOUD_SCOPE])[0]
        sdk = genai.Client(
            enterprise=True,
            project=self.access.project,
            location=card.location,
            credentials=credentials,
            http_options=options,
        )
        return GoogleClient(sdk, http, credentials)


@cache
def _tls() -> ssl.SSLContext:
    """Load the trusted certificates once: it takes 16 ms."""
    return httpx2.create_ssl_context()


class GuardedTransport(httpx2.BaseTransport):
    """HTTP transport that returns only complete 2xx responses within the size and time limits."""

    def __init__(self, *, timeout_s: float, size_bytes_max: int, secret: str | None = None) -> None:
        # No keep-alive: on a stale connection, it is unknown whether a start was sent.
        limits = httpx2.Limits(max_keepalive_connections=0)
        self._inner = httpx2.HTTPTransport(verify=_tls(), limits=limits)
        self._timeout_s, self._size_bytes_max = timeout_s, size_bytes_max
        self._secret = secret

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request once; reading the body may raise `ResponseTooLarge` or `NoResponse`."""
        try:
            response = self._inner.handle_request(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise ConnectFailed(repr(error)) from error
        except httpx2.TransportError as error:
            raise NoResponse(repr(error)) from error
        is_good = response.is_success or (request.method == "GET" and response.is_redirect)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _BoundedStream(
            response.stream,
            deadline_s=time.monotonic() + self._timeout_of(request),
            size_bytes_max=self._size_bytes_max if is_good else ERROR_SIZE_BYTES_MAX,
        )
        if not is_good:
            raise self._error_response(response)
        if response.headers.get("Content-Encoding", "").lower() not in {"", "identity"}:
            response.close()
            raise NoResponse("the response is compressed, which was not requested")
        if response.is_success:
            response.status_code = HTTPStatus.OK  # the SDK raises on any other status
        return response

    def _timeout_of(self, request: httpx2.Request) -> float:
        timeout_s = request.extensions.get("timeout", {}).get("read")
        return self._timeout_s if timeout_s is None else min(self._timeout_s, timeout_s)

    def _error_response(self, response: httpx2.Response) -> ErrorResponse:
        try:
            text = b"".join(response.iter_raw()).decode(errors="replace")
        except (NoResponse, ResponseTooLarge) as error:
            text = repr(error)
        finally:
            response.close()
        status, retry_after = response.status_code, response.headers.get("Retry-After")
        return ErrorResponse(status, text=text, retry_after=retry_after, secret=self._secret)

    def close(self) -> None:
        self._inner.close()


@dataclass
class _BoundedStream(httpx2.SyncByteStream):
    """A body that raises beyond its deadline or its size limit, and then waits for its turn."""

    stream: httpx2.SyncByteStream
    deadline_s: float
    size_bytes_max: int

    def __iter__(self) -> Iterator[bytes]:
        size_bytes = 0
        try:
            for chunk in self.stream:
                size_bytes += len(chunk)
                if size_bytes > self.size_bytes_max:
                    raise ResponseTooLarge(f"more than {self.size_bytes_max} bytes")
                if time.monotonic() > self.deadline_s:
                    raise NoResponse("the response is too slow")
                yield chunk
        except httpx2.TransportError as error:
            raise NoResponse(repr(error)) from error
        _take_turn(size_bytes)

    def close(self) -> None:
        self.stream.close()
