"""Views need no field that a store may omit from lists."""

import pytest

from api_service.links import Links
from api_service.responses import CreationView, PublicationView
from shared.domain.status import Status
from tests.support.builders import shown
from tests.support.world import World


@pytest.mark.parametrize("status", list(Status))
def test_view_needs_no_internals_of_the_creation(world: World, status: Status) -> None:
    creation = world.creation_that_is(status)
    [as_listed] = shown(creation)
    links = Links(world.phoenix.ports.media, world.clock, world.settings.policy, "http://localhost")

    assert as_listed != creation
    assert CreationView.of(as_listed, links) == CreationView.of(creation, links)
    assert PublicationView.of(as_listed, links) == PublicationView.of(creation, links)
