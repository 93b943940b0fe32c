"""The check whether a token is still live, when it fails."""

from datetime import UTC, datetime

import pytest

from shared.adapters.firebase.identity import FirebaseIdentity
from shared.adapters.firebase.tokens import CLOCK_SKEW_S, FRESH_S
from shared.domain.errors import AccountDisabled, Unauthenticated
from tests.servers.certificate_server import HOUR_S, LOOKUP, PROJECT, CertificateServer
from tests.support.builders import ADA
from tests.support.fakes import FakeClock


@pytest.mark.parametrize("is_disabled", [True, False], ids=["disabled", "revoked"])
def test_refused_token_is_checked_and_refused_again(*, is_disabled: bool) -> None:
    clock = FakeClock(datetime.now(UTC))
    with CertificateServer() as server:
        identity = FirebaseIdentity(PROJECT, clock=clock, endpoint=server.base_url)
        token = server.user_token(age_s=60)
        revoked_at = {"validSince": str(int(clock.now().timestamp()))}
        server.records["ada"] |= {"disabled": True} if is_disabled else revoked_at

        for _ in range(3):
            with pytest.raises(AccountDisabled if is_disabled else Unauthenticated):
                identity.caller(token, must_be_live=True)

        assert server.paths.count(LOOKUP) == 3


def test_accepted_token_is_refused_10_s_after_its_expiry() -> None:
    clock = FakeClock(datetime.now(UTC))
    with CertificateServer() as server:
        identity = FirebaseIdentity(PROJECT, clock=clock, endpoint=server.base_url)
        token = server.user_token()

        clock.sleep(HOUR_S)
        assert identity.caller(token).user_id == ADA
        clock.sleep(CLOCK_SKEW_S + 1)
        with pytest.raises(Unauthenticated):
            identity.caller(token)


def test_only_a_first_check_of_a_token_may_wait() -> None:
    clock = FakeClock(datetime.now(UTC))
    with CertificateServer(max_age_s=600) as server:
        identity = FirebaseIdentity(PROJECT, clock=clock, endpoint=server.base_url)
        token = server.user_token()
        assert identity.may_wait()

        identity.caller(token)
        assert not identity.may_wait()
        assert not identity.is_known_live(token)

        identity.caller(token, must_be_live=True)
        assert identity.is_known_live(token)

        clock.sleep(600 - FRESH_S)
        assert identity.may_wait()
        assert not identity.is_known_live(token)
