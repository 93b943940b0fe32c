"""The process that generates one image, which dies while it decodes a poisoned one."""

import os
import signal
from pathlib import Path

from jobs.generation import Pipeline
from jobs.image_generation_job.pipeline import ImagePipeline
from jobs.upload import ProcessedMedia
from jobs.worker import main
from shared import startup
from shared.domain.brief import Brief
from shared.domain.kind import Kind

POISON = "poison"


class PoisonedPipeline(ImagePipeline):
    def post_process(self, download: Path, folder: Path, *, brief: Brief) -> ProcessedMedia:
        if POISON in brief.prompt:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().post_process(download, folder, brief=brief)


def pipeline() -> Pipeline:
    return PoisonedPipeline()


if __name__ == "__main__":
    startup.begin()
    main(Kind.IMAGE, pipeline)
