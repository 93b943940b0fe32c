"""A job's collaborators over the fakes of a `World`, with a fake pipeline."""

from dataclasses import dataclass, field
from pathlib import Path

from jobs.attempt import Workshop
from jobs.making import Pipeline, Produced
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput
from shared.domain.kind import Kind
from shared.domain.media import MediaFormat
from tests.support.world import World

PAGE = b"<html>busy</html>"


@dataclass
class FakePipeline:
    """Accepts every download except an HTML page."""

    kind: Kind = Kind.VIDEO
    error: Exception | None = None
    with_thumbnail: bool = True
    seen: list[bytes] = field(default_factory=list)

    def produce(self, download: Path, folder: Path, *, brief: Brief) -> Produced:
        if self.error:
            raise self.error
        if download.read_bytes() == PAGE:
            raise BadOutput(reason="it is an HTML page")
        self.seen.append(download.read_bytes())
        thumbnail = folder / "thumbnail"
        thumbnail.write_bytes(b"small")
        return Produced(
            path=download,
            media_format=MediaFormat.MP4 if self.kind is Kind.VIDEO else MediaFormat.PNG,
            width=1280,
            height=720,
            thumbnail=thumbnail if self.with_thumbnail else None,
        )


def workshop(world: World, pipeline: Pipeline | None = None) -> Workshop:
    phoenix = world.phoenix
    return Workshop(
        attempts=phoenix.attempts,
        settling=phoenix.settling,
        queue=world.queue,
        media=phoenix.ports.media,
        generator=lambda: world.generator,
        pipeline=pipeline or FakePipeline(),
        clock=world.clock,
        policy=world.settings.policy,
    )
