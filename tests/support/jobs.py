"""Run attempts in this process, with a pipeline that accepts any download."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs.attempt import run_attempt
from jobs.generation import Pipeline
from jobs.upload import ProcessedMedia
from jobs.worker import exit_status
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.media import MediaFormat
from shared.wiring import Phoenix
from tests.support.builders import LEASE_OWNER

PAGE = b"<html>busy</html>"


@dataclass
class FakePipeline:
    """Keeps the download unchanged, unless it is a page."""

    kind: Kind = Kind.VIDEO
    error: Exception | None = None
    with_thumbnail: bool = True
    seen: list[bytes] = field(default_factory=list)

    def post_process(self, download: Path, folder: Path, *, brief: Brief) -> ProcessedMedia:
        if self.error:
            raise self.error
        if download.read_bytes() == PAGE:
            raise BadOutput(reason="it is a page")
        self.seen.append(download.read_bytes())
        thumbnail = folder / "thumbnail"
        thumbnail.write_bytes(b"small")
        return ProcessedMedia(
            path=download,
            media_format=MediaFormat.MP4 if self.kind is Kind.VIDEO else MediaFormat.PNG,
            width=1280,
            height=720,
            thumbnail=thumbnail if self.with_thumbnail else None,
        )


def run_job(
    phoenix: Phoenix,
    pipeline: Pipeline,
    creation_id: CreationId,
    *,
    lease_owner: LeaseOwner = LEASE_OWNER,
) -> int:
    """Run one attempt as a job's process does, and return its exit status."""

    def load() -> Pipeline:
        return pipeline

    kind = pipeline.kind
    return exit_status(
        lambda: run_attempt(phoenix, load, creation_id, kind=kind, lease_owner=lease_owner)
    )


def with_ports(phoenix: Phoenix, **ports: Any) -> Phoenix:
    """Replace ports of the jobs; the use cases keep theirs."""
    return replace(phoenix, ports=replace(phoenix.ports, **ports))
