"""The process that generates one video."""

from shared.settings.sealed_environment import enforce

enforce()

from jobs.video_generation_job.pipeline import VideoPipeline  # noqa: E402 (vendors read the environment when they are imported)
from jobs.worker import main  # noqa: E402 (as above)

main(VideoPipeline())
