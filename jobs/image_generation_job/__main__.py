"""The process that generates one image."""

from shared.settings.sealed_environment import enforce

enforce()

from jobs.image_generation_job.pipeline import ImagePipeline  # noqa: E402 (vendors read the environment when they are imported)
from jobs.worker import main  # noqa: E402 (as above)

main(ImagePipeline())
