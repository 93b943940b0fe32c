"""The process that generates one image."""

from shared import startup
from shared.settings.sealed_environment import enforce

startup.begin()
enforce()

from jobs.generation import Pipeline  # noqa: E402 (vendors read the environment when they are imported)
from jobs.worker import main  # noqa: E402 (as above)
from shared.domain.kind import Kind  # noqa: E402 (as above)


def pipeline() -> Pipeline:
    from jobs.image_generation_job.pipeline import ImagePipeline

    return ImagePipeline()


main(Kind.IMAGE, pipeline)
