"""Firebase's Authentication emulator, from npm (tests/auth_emulator/install.sh)."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt

from shared.adapters.firebase.identity import FirebaseIdentity
from shared.adapters.system.clock import SystemClock
from shared.domain.errors import Unauthenticated
from shared.ports.identity import Caller
from tests.servers.certificate_server import CertificateServer
from tests.servers.firestore_emulator import HOST, free_port
from tests.support.eventually import eventually
from tests.support.machine import AUTH_EMULATOR

PROJECT = "demo-phoenix"
"""The emulator keeps to itself what projects of this prefix do."""
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 20
OWNER = {"Authorization": "Bearer owner"}
"""What the emulator accepts as an administrator."""


@dataclass(frozen=True)
class AuthEmulator:
    url: str
    earlier: set[str] = field(default_factory=set)
    """The links of emails before `clear`, which the emulator keeps."""

    @property
    def _accounts(self) -> str:
        return f"{self.url}/identitytoolkit.googleapis.com/v1/projects/{PROJECT}"

    def clear(self) -> None:
        url = f"{self.url}/emulator/v1/projects/{PROJECT}/accounts"
        httpx.delete(url, headers=OWNER).raise_for_status()
        self.earlier.update(each["oobLink"] for each in self._emails())

    def add_user(self, **user: Any) -> None:
        """Make an account, as an administrator."""
        self._post(f"{self._accounts}/accounts", user).raise_for_status()

    def lookup(self, query: dict[str, Any]) -> httpx.Response:
        """Ask for the account of an id or of a token, which must be valid and not revoked."""
        return self._post(f"{self._accounts}/accounts:lookup", query)

    def has_issued(self, token: str) -> bool:
        url = f"{self.url}/identitytoolkit.googleapis.com/v1/accounts:lookup?key=any"
        return httpx.post(url, json={"idToken": token}).is_success

    def links(self, email: str, kind: str) -> list[str]:
        """Return the links of all emails of this kind to this address, oldest first."""
        return [
            each["oobLink"]
            for each in self._emails()
            if (each["email"], each["requestType"]) == (email, kind)
            and each["oobLink"] not in self.earlier
        ]

    def _emails(self) -> list[dict[str, str]]:
        answer = httpx.get(f"{self.url}/emulator/v1/projects/{PROJECT}/oobCodes")
        emails: list[dict[str, str]] = answer.raise_for_status().json()["oobCodes"]
        return emails

    def _post(self, url: str, body: dict[str, Any]) -> httpx.Response:
        return httpx.post(url, json=body, headers=OWNER)


@contextmanager
def running(folder: Path) -> Iterator[AuthEmulator]:
    """Run a private emulator; its files and logs are in this folder."""
    port, hub, logs = free_port(), free_port(), free_port()
    emulators = {
        "auth": {"host": HOST, "port": port},
        "hub": {"host": HOST, "port": hub},
        "logging": {"host": HOST, "port": logs},
        "ui": {"enabled": False},
    }
    (folder / "firebase.json").write_text(json.dumps({"emulators": emulators}))
    program = AUTH_EMULATOR / "node_modules/.bin/firebase"
    options = ("--only", "auth", "--project", PROJECT, "--config", "firebase.json")
    # A home without a configuration: no account, no usage statistics, no check for updates.
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "CI": "1"}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [str(program), "emulators:start", *options],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            emulator = AuthEmulator(f"http://{HOST}:{port}")
            is_settled = lambda: _responds(emulator) or process.poll() is not None  # noqa: E731
            eventually(is_settled, within_s=START_TIMEOUT_S)
            assert process.poll() is None, (folder / "output").read_text()
            yield emulator
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_TIMEOUT_S)


def _responds(emulator: AuthEmulator) -> bool:
    try:
        return httpx.get(emulator.url, timeout=1).is_success
    except httpx.HTTPError:
        return False


@dataclass
class SignedEmulator(CertificateServer):
    """Firebase's services for the API: certificates of a test key, accounts of the emulator."""

    emulator: AuthEmulator | None = None

    def response(self, path: str, body: bytes) -> str | None:
        if self.emulator and re.fullmatch(rf"/v1/projects/{PROJECT}/accounts:lookup", path):
            return self.emulator.lookup(json.loads(body)).text
        return super().response(path, body)


class EmulatedIdentity(FirebaseIdentity):
    """Firebase's users, whose tokens the emulator issues without a signature.

    The emulator confirms each token. Then a test key signs its claims, so that everything else is
    what happens in the cloud: the SDK's verification, and the check that the account is live.
    """

    def __init__(self, emulator: AuthEmulator, google: CertificateServer) -> None:
        super().__init__(PROJECT, clock=SystemClock(), endpoint=google.base_url)
        self._emulator, self._google = emulator, google
        self._signed: dict[str, str] = {}

    def caller(self, token: str, *, must_be_live: bool = False) -> Caller:
        return super().caller(self._sign(token), must_be_live=must_be_live)

    def is_known_live(self, token: str) -> bool:
        return super().is_known_live(self._sign(token))

    def may_wait(self) -> bool:
        return True  # for the emulator

    def _sign(self, token: str) -> str:
        if token not in self._signed:
            if not self._emulator.has_issued(token):
                raise Unauthenticated(reason="not a token of the emulator")
            claims = jwt.decode(token, options={"verify_signature": False})
            self._signed[token] = self._google.users_key.signed(claims)
        return self._signed[token]
