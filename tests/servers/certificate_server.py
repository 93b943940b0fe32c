"""A fake of Google's identity services over HTTP: certificates and user records.

It uses Google's paths and cache headers, and signs tokens with the keys that it publishes. Its
`base_url` is a value for `PHOENIX_IDENTITY_ENDPOINT`.
"""

import json
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

PROJECT = "phoenix-test"
AUDIENCE = "https://phoenix.example/internal"
SCHEDULER = "scheduler@phoenix-test.iam.gserviceaccount.com"
USERS_CERTIFICATES = "/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
SERVICES_CERTIFICATES = "/oauth2/v1/certs"
LOOKUP = f"/v1/projects/{PROJECT}/accounts:lookup"
HOUR_S = 3600


@dataclass(frozen=True)
class SigningKey:
    """A private key and its published certificate."""

    kid: str
    private: rsa.RSAPrivateKey
    certificate: str

    def signed(self, claims: dict[str, Any], **header: Any) -> str:
        headers = {"kid": self.kid} | header
        present = {name: value for name, value in headers.items() if value is not None}
        return jwt.encode(claims, self.private, algorithm="RS256", headers=present)


@cache
def signing_key(kid: str) -> SigningKey:
    """Return the key of this name, the same in one process."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, kid)])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .sign(private, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return SigningKey(kid, private, pem)


@dataclass
class CertificateServer:
    """Runs during its `with` block; changed attributes affect the next response."""

    max_age_s: int = HOUR_S
    age_s: int = 0
    users_key: SigningKey = field(default_factory=lambda: signing_key("users-1"))
    services_key: SigningKey = field(default_factory=lambda: signing_key("services-1"))
    is_down: bool = False
    """Respond 503 to everything."""
    garbled: str | None = None
    """A 200 response in place of certificates and user records."""
    silence: threading.Event | None = None
    """Hold every response until it is set."""
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    """User records of `accounts:lookup`, by user id."""
    paths: list[str] = field(default_factory=list)
    """The path of every request."""

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def user_claims(self, user_id: str = "ada", *, age_s: float = 0) -> dict[str, Any]:
        """Return the claims of a Firebase token that was issued `age_s` ago."""
        at_s = int(time.time() - age_s)
        return {
            "iss": f"https://securetoken.google.com/{PROJECT}",
            "aud": PROJECT,
            "auth_time": at_s,
            "user_id": user_id,
            "sub": user_id,
            "iat": at_s,
            "exp": at_s + HOUR_S,
            "name": user_id,
            "email": f"{user_id}@example.com",
            "email_verified": True,
            "firebase": {"identities": {}, "sign_in_provider": "google.com"},
        }

    def user_token(self, user_id: str = "ada", *, age_s: float = 0, **claims: Any) -> str:
        """Return a user's token, and add a record of the user."""
        self.records.setdefault(user_id, {"localId": user_id})
        return self.users_key.signed(self.user_claims(user_id, age_s=age_s) | claims)

    def service_claims(self, account: str = SCHEDULER, *, age_s: float = 0) -> dict[str, Any]:
        """Return the claims of a service account's OIDC token."""
        at_s = int(time.time() - age_s)
        return {
            "iss": "https://accounts.google.com",
            "aud": AUDIENCE,
            "azp": "112233445566778899",
            "sub": "112233445566778899",
            "email": account,
            "email_verified": True,
            "iat": at_s,
            "exp": at_s + HOUR_S,
        }

    def service_token(self, account: str = SCHEDULER, *, age_s: float = 0, **claims: Any) -> str:
        """Return a service account's token, like Cloud Scheduler's."""
        return self.services_key.signed(self.service_claims(account, age_s=age_s) | claims)

    def response(self, path: str, body: bytes) -> str | None:
        """Return the JSON at a path, or None."""
        if self.garbled is not None:
            return self.garbled
        if path == USERS_CERTIFICATES:
            return json.dumps({self.users_key.kid: self.users_key.certificate})
        if path == SERVICES_CERTIFICATES:
            return json.dumps({self.services_key.kid: self.services_key.certificate})
        if path == LOOKUP:
            record = self._record(json.loads(body))
            kind = {"kind": "identitytoolkit#GetAccountInfoResponse"}
            return json.dumps(kind | ({"users": [record]} if record else {}))
        return None

    def _record(self, query: dict[str, list[str]]) -> dict[str, Any] | None:
        """Return the record for a user id or an email address."""
        if "localId" in query:
            return self.records.get(query["localId"][0])
        [email] = query["email"]
        return next((each for each in self.records.values() if each.get("email") == email), None)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    fake: CertificateServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # small writes with Nagle's algorithm would delay each response by 44 ms
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        fake = self.server.fake
        fake.paths.append(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fake.silence is not None:
            fake.silence.wait()
        text = None if fake.is_down else fake.response(self.path, body)
        status = 503 if fake.is_down else 404 if text is None else 200
        content = (text or "{}").encode()
        self.send_response(status)
        if fake.is_down:
            self.send_header("Retry-After", "30")
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Cache-Control", f"public, max-age={fake.max_age_s}, no-transform")
        self.send_header("Age", str(fake.age_s))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 (the library's name for it)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name for it)
        pass
