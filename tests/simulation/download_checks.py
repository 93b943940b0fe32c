"""Checks of download links: each exists until its end, and not much longer."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from shared.domain.download import Download
from shared.domain.keys import Key
from shared.ports.store import Document
from tests.simulation.checks import Checks, Commit, Problem
from tests.simulation.cloud import CLOCKS_DIFFER_S

SKEW = timedelta(seconds=CLOCKS_DIFFER_S)


class DownloadChecks(Checks):
    def problems(self, commit: Commit) -> Iterator[Problem]:
        for before, after in commit.changes.values():
            if after is not None or not isinstance(before, Download):
                continue
            if commit.now < before.expires_at - SKEW:
                yield "I15", f"a link of {before.user_id} was removed before its end"

    def problems_at_end(self, documents: Mapping[Key[Any], Document]) -> Iterator[Problem]:
        for document in documents.values():
            if isinstance(document, Download):
                yield "I15", f"a link of {document.user_id} was never removed"
