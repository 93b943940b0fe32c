"""Mutants of sharing."""

from api_service.shared_responses import SharedView
from shared.domain.sharing import Sharing
from shared.lifecycle.sharing import DraftSharing
from tests.simulation.mutation import Mutant, one

SHARING_MUTANTS: list[Mutant] = [
    one(
        "revoking leaves the link",
        DraftSharing,
        "unshare",
        "current.sharing if is_newer else current.sharing.without_link()",
        "current.sharing",
    ),
    one(
        "a collaborator sees the prompt",
        SharedView,
        "of",
        "creation.prompt if creation.sharing.shows_prompt else None",
        "creation.prompt",
    ),
    one(
        "sharing keeps expires_at",
        DraftSharing,
        "_change",
        "shared = shared.with_expiry(policy=self.policy, at=at)",
        "pass",
    ),
    one(
        "an eleventh collaborator is added",
        Sharing,
        "with_collaborator",
        "if len(self.collaborators) >= COLLABORATORS_MAX:",
        "if False:",
    ),
    one(
        "a failed creation is shared",
        DraftSharing,
        "_change",
        "if current.status not in READY:",
        "if False:",
    ),
    one(
        "a removed collaborator stays",
        Sharing,
        "without_collaborator",
        "if each != username",
        "",
    ),
    one(
        "a wrong secret opens a link",
        DraftSharing,
        "by_link",
        "not creation.sharing.opens_with(secret) or",
        "",
    ),
    one(
        "a draft is never forgotten after it was shared",
        Sharing,
        "is_shared",
        "self.secret is not None or bool(self.collaborators)",
        "True",
    ),
]
