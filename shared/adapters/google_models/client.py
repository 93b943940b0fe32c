"""The way to Google's generators: one client for one surface and one location.

The SDK (google-genai) has two halves with two trees of errors, private in part; it follows
redirects, repeats requests by itself where it is not told otherwise, and reads answers of any
size. So its requests go out through `Border`, which hands on a good answer within its limits and
raises everything else by one of four names. Both halves let these pass untouched.

    NotSent     nothing has reached the vendor: no connection, or no TLS
    NoAnswer    it was sent, and no whole answer came back in time
    AnsweredNo  an HTTP status that is not a success
    TooLarge    a success of more bytes than can be meant
"""

import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus

import google.auth
import httpx2
from google import genai
from google.auth.credentials import Credentials
from google.genai import types

from shared.adapters.google_models.cards import ModelCard, Surface
from shared.adapters.google_models.errors import reasons, vendor_error

VIDEO_TIMEOUT_S = 60
IMAGE_TIMEOUT_S = 120
"""An image is made while its start is answered."""
ERROR_SIZE_BYTES_MAX = 64 * 1024
REASON_LENGTH_MAX = 500
RESOLUTION = "720p"
BASE64_FACTOR = 4 / 3
BESIDE_MEDIA_BYTES_MAX = 8 * 1024 * 1024
"""What an answer may hold beside its media: text, drafts, signatures."""
CLOUD_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
STORAGE_URL = "https://storage.googleapis.com"
API_VERSIONS = {Surface.AGENT_PLATFORM: "v1beta1", Surface.GEMINI_API: "v1"}


class NotSent(Exception):
    """Nothing has reached the vendor."""


class NoAnswer(Exception):
    """It was sent, and no whole answer came back in time."""


class TooLarge(Exception):
    """The answer is larger than it can be meant to be; the rest was not read."""


class AnsweredNo(Exception):
    """An HTTP status that is not a success, with the vendor's own error if there is one."""

    def __init__(
        self, status: int, *, text: str, retry_after: str | None, secret: str | None = None
    ) -> None:
        """Keep the error; a secret is not in its words, where Google repeats a key at times."""
        self.error = vendor_error(text)
        message = str(self.error.get("message") if isinstance(self.error, dict) else text)
        words = message.replace(secret, "***") if secret else message
        because = f" ({', '.join(reasons(self.error))})" if reasons(self.error) else ""
        super().__init__(f"{status}{because}: {words[:REASON_LENGTH_MAX]}")
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True)
class ApiKey:
    """The developer API, by a key."""

    key: str = field(repr=False)


@dataclass(frozen=True)
class CloudProject:
    """Google Cloud, by the process's own service account unless others are given."""

    project: str
    bucket: str | None = None
    """Where videos are put; without one they come inside the answer."""
    credentials: Credentials | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How a generator reaches its vendor; the addresses are the vendor's own unless given."""

    access: ApiKey | CloudProject
    base_url: str | None = None
    storage_url: str = STORAGE_URL
    timeout_s: float | None = None

    @property
    def bucket(self) -> str | None:
        """Return where videos are put, if there is such a place."""
        return self.access.bucket if isinstance(self.access, CloudProject) else None

    def opened(self, card: ModelCard, *, timeout_s: float, size_bytes_max: int) -> "Google":
        """Return the way to a model whose media are of up to this size; keep it, or it closes."""
        time_s = self.timeout_s or timeout_s
        answer_bytes_max = int(size_bytes_max * BASE64_FACTOR) + BESIDE_MEDIA_BYTES_MAX
        http = httpx2.Client(
            transport=Border(
                time_s_max=time_s,
                size_bytes_max=answer_bytes_max,
                secret=self.access.key if isinstance(self.access, ApiKey) else None,
            ),
            timeout=time_s,
            follow_redirects=True,
            headers={"Accept-Encoding": "identity"},
        )
        tls = {"verify": _tls(), "ssl": _tls()}  # of clients that the SDK makes and never uses
        options = types.HttpOptions(
            base_url=self.base_url,
            api_version=card.api_version or API_VERSIONS[card.surface],
            timeout=int(time_s * 1000),
            retry_options=types.HttpRetryOptions(attempts=1),
            httpx_client=http,
            client_args=tls,
            async_client_args=tls,
        )
        if isinstance(self.access, ApiKey):
            key = self.access.key
            return Google(genai.Client(enterprise=False, api_key=key, http_options=options), http)
        credentials = self.access.credentials or google.auth.default(scopes=[CLOUD_SCOPE])[0]
        sdk = genai.Client(
            enterprise=True,
            project=self.access.project,
            location=card.location,
            credentials=credentials,
            http_options=options,
        )
        return Google(sdk, http, credentials)


@dataclass(frozen=True)
class Google:
    """An open way to Google: the SDK's client, and what it sends through."""

    sdk: genai.Client
    http: httpx2.Client
    credentials: Credentials | None = None


@cache
def _tls() -> ssl.SSLContext:
    """Return the one set of trusted certificates: loading it takes 16 ms."""
    return httpx2.create_ssl_context()


class Border(httpx2.BaseTransport):
    """Lets whole, small and timely successes pass."""

    def __init__(
        self, *, time_s_max: float, size_bytes_max: int, secret: str | None = None
    ) -> None:
        """Let answers of up to these limits pass; a secret never gets into an error."""
        # No connection is kept: on a stale one, nobody could tell whether a start was sent.
        limits = httpx2.Limits(max_keepalive_connections=0)
        self._inner = httpx2.HTTPTransport(verify=_tls(), limits=limits)
        self._time_s_max = time_s_max
        self._size_bytes_max = size_bytes_max
        self._secret = secret

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request once.

        Raises:
            NotSent, NoAnswer, AnsweredNo; reading the answer raises TooLarge and NoAnswer.
        """
        try:
            response = self._inner.handle_request(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise NotSent(repr(error)) from error
        except httpx2.TransportError as error:
            raise NoAnswer(repr(error)) from error
        is_redirected_read = request.method == "GET" and response.is_redirect
        is_good = response.is_success or is_redirected_read
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Bounded(
            response.stream,
            until_s=time.monotonic() + self._time_s_of(request),
            size_bytes_max=self._size_bytes_max if is_good else ERROR_SIZE_BYTES_MAX,
        )
        if not is_good:
            raise _no(response, secret=self._secret)
        if response.headers.get("Content-Encoding", "").lower() not in {"", "identity"}:
            response.close()
            raise NoAnswer("it is compressed, which was not asked for")
        if response.is_success:
            response.status_code = HTTPStatus.OK  # the SDK takes every other one for an error
        return response

    def _time_s_of(self, request: httpx2.Request) -> float:
        """Return how long the answer may take: a request may ask for less than the limit."""
        asked_s = request.extensions.get("timeout", {}).get("read")
        return self._time_s_max if asked_s is None else min(self._time_s_max, asked_s)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class _Bounded(httpx2.SyncByteStream):
    """A body that ends in time, within its size, or by an error."""

    def __init__(
        self, stream: httpx2.SyncByteStream, *, until_s: float, size_bytes_max: int
    ) -> None:
        self._stream = stream
        self._until_s = until_s
        self._size_bytes_max = size_bytes_max

    def __iter__(self) -> Iterator[bytes]:
        size_bytes = 0
        try:
            for chunk in self._stream:
                size_bytes += len(chunk)
                if size_bytes > self._size_bytes_max:
                    raise TooLarge(f"more than {self._size_bytes_max} bytes")
                if time.monotonic() > self._until_s:
                    raise NoAnswer("it came too slowly")
                yield chunk
        except httpx2.TransportError as error:
            raise NoAnswer(repr(error)) from error

    def close(self) -> None:
        self._stream.close()


def _no(response: httpx2.Response, *, secret: str | None) -> AnsweredNo:
    """Return the error for a status; its text may be lost."""
    try:
        text = b"".join(response.iter_raw()).decode(errors="replace")
    except (NoAnswer, TooLarge) as error:
        text = repr(error)
    finally:
        response.close()
    return AnsweredNo(
        response.status_code,
        text=text,
        retry_after=response.headers.get("Retry-After"),
        secret=secret,
    )
