"""Makes one video."""

from jobs.entry import main
from jobs.video_generation_job.pipeline import VideoPipeline

main(VideoPipeline())
