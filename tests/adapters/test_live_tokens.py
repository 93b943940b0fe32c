"""The check whether a token is still live, when it fails."""

from datetime import UTC, datetime

import pytest

from shared.adapters.firebase.identity import FirebaseIdentity
from shared.domain.errors import AccountDisabled, Unauthenticated
from tests.servers.certificate_server import LOOKUP, PROJECT, CertificateServer
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
