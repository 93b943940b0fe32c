"""Firebase's and Google's tokens beyond the ports."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest

from shared.adapters.firebase.identity import EMULATOR, FirebaseIdentity, LiveTokens
from shared.adapters.firebase.service_identity import GoogleServiceIdentity
from shared.domain.errors import (
    AccountDisabled,
    IdentityUnavailable,
    Unauthenticated,
    WrongServiceAccount,
)
from shared.domain.keys import UserId
from tests.servers.certificate_server import (
    AUDIENCE,
    LOOKUP,
    PROJECT,
    SCHEDULER,
    SERVICES_CERTIFICATES,
    USERS_CERTIFICATES,
    CertificateServer,
    signing_key,
)
from tests.support.builders import ADA
from tests.support.fakes import FakeClock

TIMEOUT_S = 1


class WallClock(FakeClock):
    """Wall time, which the SDKs use, too; monotonic time advances by `sleep`."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


@pytest.fixture
def server() -> Iterator[CertificateServer]:
    with CertificateServer() as server:
        yield server


@pytest.fixture
def identity(server: CertificateServer, clock: FakeClock) -> FirebaseIdentity:
    return FirebaseIdentity(PROJECT, clock=clock, endpoint=server.base_url, timeout_s=TIMEOUT_S)


@pytest.fixture
def services(server: CertificateServer, clock: FakeClock) -> GoogleServiceIdentity:
    return GoogleServiceIdentity(
        audience=AUDIENCE,
        accounts=[SCHEDULER],
        clock=clock,
        endpoint=server.base_url,
        timeout_s=TIMEOUT_S,
    )


# Callers


@pytest.mark.parametrize(
    ("claims", "hint"),
    [
        ({"name": "Ada Lovelace"}, "Ada Lovelace"),
        ({"name": None}, ""),
        ({"name": ""}, ""),
        ({"name": 7}, ""),
        ({"name": "ada@example.com"}, ""),
        ({"name": "Ada (ada@example.com)"}, ""),
    ],
)
def test_username_hint_is_the_display_name_and_never_the_email(
    server: CertificateServer, identity: FirebaseIdentity, claims: dict[str, Any], hint: str
) -> None:
    assert identity.caller(server.user_token(**claims)).username_hint == hint


@pytest.mark.parametrize(
    ("claims", "is_admin"),
    [
        ({"admin": True}, True),
        ({"admin": "true"}, False),
        ({"admin": 1}, False),
        ({"admin": {"is": True}}, False),
        ({"firebase": {"admin": True}}, False),
        ({"name": "admin"}, False),
    ],
)
def test_operator_has_the_claim_of_the_project(
    server: CertificateServer,
    identity: FirebaseIdentity,
    claims: dict[str, Any],
    is_admin: bool,  # noqa: FBT001 (a parameter of pytest)
) -> None:
    token = server.user_token(**claims)

    assert identity.caller(token).is_admin is is_admin
    assert identity.caller(token, must_be_live=True).is_admin is is_admin


@pytest.mark.parametrize(
    ("claims", "contact"),
    [
        ({"email_verified": True}, "ada@example.com"),
        ({"email_verified": True, "phone_number": "+15550100"}, "ada@example.com"),
        ({"email_verified": False}, None),
        ({"email_verified": "true"}, None),
        ({"email_verified": None}, None),
        ({"email_verified": True, "email": None}, None),
        ({"email_verified": False, "phone_number": "+15550100"}, "+15550100"),
        ({"email": None, "email_verified": None, "phone_number": "+15550100"}, "+15550100"),
    ],
)
def test_verified_contact_is_an_email_or_a_phone(
    server: CertificateServer,
    identity: FirebaseIdentity,
    claims: dict[str, Any],
    contact: str | None,
) -> None:
    caller = identity.caller(server.user_token(**claims))

    assert (caller.is_verified, caller.verified_contact) == (contact is not None, contact)


@pytest.mark.parametrize("user_id", ["a", "x" * 128, "auth0|5f7c8", "line:U-1", "a.b_c~"])
def test_user_id_is_unchanged(
    server: CertificateServer, identity: FirebaseIdentity, user_id: str
) -> None:
    assert identity.caller(server.user_token(user_id)).user_id == UserId(user_id)


@pytest.mark.parametrize(
    "claims",
    [{"email": "other@example.com"}, {"email": None}, {"email_verified": False}, {"email": [1]}],
)
def test_only_a_verified_allowed_account_is_a_service(
    server: CertificateServer, services: GoogleServiceIdentity, claims: dict[str, Any]
) -> None:
    with pytest.raises(WrongServiceAccount):
        services.service(server.service_token(**claims))

    assert services.service(server.service_token()) == SCHEDULER


def test_clock_skew_of_ten_seconds_is_accepted(
    server: CertificateServer, identity: FirebaseIdentity, services: GoogleServiceIdentity
) -> None:
    for age_s in (-5, 3605):
        assert identity.caller(server.user_token(age_s=age_s)).user_id == ADA
        assert services.service(server.service_token(age_s=age_s)) == SCHEDULER


# Certificates


def test_certificates_are_cached_for_their_max_age(
    server: CertificateServer, identity: FirebaseIdentity, clock: FakeClock
) -> None:
    server.max_age_s, server.age_s = 1000, 100
    tokens = [server.user_token(f"user-{number}") for number in range(20)]
    for token in tokens:
        identity.caller(token)
    clock.sleep(899)
    identity.caller(tokens[0])
    before = list(server.paths)
    clock.sleep(1.1)
    identity.caller(tokens[0])

    assert before == [USERS_CERTIFICATES]
    assert server.paths == [USERS_CERTIFICATES] * 2


def test_certificates_without_max_age_are_cached_for_a_minute(
    server: CertificateServer, services: GoogleServiceIdentity, clock: FakeClock
) -> None:
    server.max_age_s = 0
    for _ in range(3):
        services.service(server.service_token())
        clock.sleep(29)

    assert server.paths == [SERVICES_CERTIFICATES]


def test_concurrent_callers_share_one_fetch(
    server: CertificateServer, identity: FirebaseIdentity
) -> None:
    token = server.user_token()
    with ThreadPoolExecutor(32) as threads:
        callers = list(threads.map(lambda _: identity.caller(token).user_id, range(64)))

    assert callers == [ADA] * 64
    assert server.paths == [USERS_CERTIFICATES]


def test_rotated_keys_are_fetched_when_the_cache_expires(
    server: CertificateServer,
    identity: FirebaseIdentity,
    services: GoogleServiceIdentity,
    clock: FakeClock,
) -> None:
    old_user, old_service = server.user_token(), server.service_token()
    identity.caller(old_user)
    services.service(old_service)
    server.users_key, server.services_key = signing_key("users-2"), signing_key("services-2")
    new_user, new_service = server.user_token(), server.service_token()
    with pytest.raises(Unauthenticated):
        identity.caller(new_user)
    clock.sleep(server.max_age_s)

    assert identity.caller(new_user).user_id == ADA
    assert services.service(new_service) == SCHEDULER
    with pytest.raises(Unauthenticated):
        identity.caller(old_user)
    with pytest.raises(Unauthenticated):
        services.service(old_service)


def test_missing_certificates_are_unavailable_until_the_server_recovers(
    server: CertificateServer,
    identity: FirebaseIdentity,
    services: GoogleServiceIdentity,
    clock: FakeClock,
) -> None:
    user, service = server.user_token(), server.service_token()
    server.is_down = True
    for _ in range(3):
        with pytest.raises(IdentityUnavailable):
            identity.caller(user)
        with pytest.raises(IdentityUnavailable):
            services.service(service)
    server.is_down = False

    assert server.paths == [USERS_CERTIFICATES, SERVICES_CERTIFICATES]
    clock.sleep(1.1)
    assert identity.caller(user).user_id == ADA
    assert services.service(service) == SCHEDULER


def test_cached_certificates_survive_an_outage(
    server: CertificateServer, identity: FirebaseIdentity, clock: FakeClock
) -> None:
    token = server.user_token()
    identity.caller(token)
    server.is_down = True
    clock.sleep(server.max_age_s - 1)

    assert identity.caller(token).user_id == ADA
    clock.sleep(1.1)
    with pytest.raises(IdentityUnavailable):
        identity.caller(token)


@pytest.mark.parametrize(
    "garbled", ["<html>", "", "{}", "[]", "5", '{"keys": []}', '{"users-1": 5}', '{"users-1": ""}']
)
def test_garbled_certificates_are_no_invalid_token(
    server: CertificateServer,
    identity: FirebaseIdentity,
    services: GoogleServiceIdentity,
    garbled: str,
) -> None:
    server.garbled = garbled

    with pytest.raises(IdentityUnavailable):
        identity.caller(server.user_token())
    with pytest.raises(IdentityUnavailable):
        services.service(server.service_token())


def test_silent_server_delays_callers_once(
    server: CertificateServer, identity: FirebaseIdentity
) -> None:
    server.silence = threading.Event()
    token = server.user_token()
    began_s = time.monotonic()
    with ThreadPoolExecutor(16) as threads:
        errors = list(threads.map(lambda _: error_of(identity, token), range(16)))
    took_s = time.monotonic() - began_s
    server.silence.set()

    assert took_s < 30
    assert errors == [IdentityUnavailable] * 16
    assert server.paths == [USERS_CERTIFICATES]


def error_of(identity: FirebaseIdentity, token: str) -> type[Exception] | None:
    try:
        identity.caller(token)
    except Exception as error:
        return type(error)
    return None


def test_urls_in_a_token_are_never_called(
    server: CertificateServer, identity: FirebaseIdentity
) -> None:
    evil = f"{server.base_url}/evil"
    key = signing_key("somebody-else")
    token = key.signed(server.user_claims(), kid="users-1", jku=evil, x5u=evil)

    with pytest.raises(Unauthenticated):
        identity.caller(token)
    assert server.paths == [USERS_CERTIFICATES]


# The emulator


def test_emulator_variable_accepts_no_unsigned_token(
    server: CertificateServer, identity: FirebaseIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsigned = jwt.encode(server.user_claims(), "", algorithm="none")
    forged = signing_key("somebody-else").signed(server.user_claims(), kid="users-1")
    with pytest.raises(Unauthenticated):
        identity.caller(forged)
    monkeypatch.setenv(EMULATOR, "127.0.0.1:9099")
    fresh = FirebaseIdentity(PROJECT, clock=WallClock(), endpoint=server.base_url)

    for each in (identity, fresh):
        with pytest.raises(Unauthenticated):
            each.caller(unsigned)
        with pytest.raises(IdentityUnavailable):
            each.caller(forged)
        with pytest.raises(IdentityUnavailable):
            each.warm_up()


# Revocation


def test_revoked_token_may_read_but_not_act(
    server: CertificateServer, identity: FirebaseIdentity
) -> None:
    token = server.user_token(age_s=60)
    server.records["ada"] |= {"validSince": str(int(time.time()))}

    assert identity.caller(token).user_id == ADA
    with pytest.raises(Unauthenticated):
        identity.caller(token, must_be_live=True)
    assert identity.caller(server.user_token(age_s=-2), must_be_live=True).user_id == ADA


def test_disabled_account_may_not_act(
    server: CertificateServer, identity: FirebaseIdentity
) -> None:
    token = server.user_token()
    server.records["ada"] |= {"disabled": True}

    assert identity.caller(token).user_id == ADA
    with pytest.raises(AccountDisabled):
        identity.caller(token, must_be_live=True)


def test_token_of_a_deleted_account_is_refused(
    server: CertificateServer, identity: FirebaseIdentity
) -> None:
    token = server.user_token()
    server.records.clear()

    with pytest.raises(Unauthenticated):
        identity.caller(token, must_be_live=True)


def test_revocation_is_checked_once_in_five_minutes(
    server: CertificateServer, identity: FirebaseIdentity, clock: FakeClock
) -> None:
    token, other = server.user_token(), server.user_token(age_s=1)
    for _ in range(3):
        identity.caller(token, must_be_live=True)
    server.records["ada"] |= {"disabled": True}
    clock.sleep(299)

    assert identity.caller(token, must_be_live=True).user_id == ADA
    assert server.paths.count(LOOKUP) == 1
    with pytest.raises(AccountDisabled):
        identity.caller(other, must_be_live=True)
    clock.sleep(1.1)
    with pytest.raises(AccountDisabled):
        identity.caller(token, must_be_live=True)


def test_live_token_is_still_verified(
    server: CertificateServer, identity: FirebaseIdentity, clock: FakeClock
) -> None:
    server.max_age_s = 60
    token = server.user_token()
    identity.caller(token, must_be_live=True)
    server.users_key = signing_key("users-2")
    clock.sleep(60)

    with pytest.raises(Unauthenticated):
        identity.caller(token, must_be_live=True)


def test_number_of_live_tokens_is_bounded(clock: FakeClock) -> None:
    tokens = LiveTokens(clock, tokens_max=2)
    for token in ("a", "b", "a", "c"):
        tokens.add(token)

    assert [token in tokens for token in "abc"] == [True, False, True]


def test_failed_account_lookup_is_unavailable_in_bounded_time(
    server: CertificateServer, identity: FirebaseIdentity
) -> None:
    token = server.user_token()
    identity.caller(token)
    server.is_down = True
    began_s = time.monotonic()

    with pytest.raises(IdentityUnavailable):
        identity.caller(token, must_be_live=True)
    assert time.monotonic() - began_s < 5
    assert server.paths.count(LOOKUP) == 1
    assert identity.caller(token).user_id == ADA


# Warm-up and credentials


def test_warm_up_fetches_everything(
    server: CertificateServer, identity: FirebaseIdentity, services: GoogleServiceIdentity
) -> None:
    identity.warm_up()
    services.warm_up()
    warm = list(server.paths)
    identity.caller(server.user_token())
    services.service(server.service_token())

    assert warm == [USERS_CERTIFICATES, LOOKUP, SERVICES_CERTIFICATES] == server.paths


def test_failed_warm_up_raises(
    server: CertificateServer, identity: FirebaseIdentity, services: GoogleServiceIdentity
) -> None:
    server.is_down = True

    for each in (identity, services):
        with pytest.raises(IdentityUnavailable, match="cannot be verified"):
            each.warm_up()


def test_warm_up_needs_the_account_lookup(
    server: CertificateServer, identity: FirebaseIdentity
) -> None:
    identity.caller(server.user_token())
    server.is_down = True

    with pytest.raises(IdentityUnavailable):
        identity.warm_up()


def test_missing_credentials_are_unavailable(
    server: CertificateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    identity = FirebaseIdentity(PROJECT, clock=WallClock())

    with pytest.raises(IdentityUnavailable):
        identity.caller(server.user_token())


def test_user_is_found_by_email_address(
    server: CertificateServer, identity: FirebaseIdentity
) -> None:
    server.records["uid-7"] = {"localId": "uid-7", "email": "ada@example.com"}

    assert identity.user_id_of("ada@example.com") == "uid-7"
    assert identity.user_id_of("ben@example.com") is None
    assert identity.user_id_of("no address") is None

    server.is_down = True
    with pytest.raises(IdentityUnavailable):
        identity.user_id_of("ada@example.com")
