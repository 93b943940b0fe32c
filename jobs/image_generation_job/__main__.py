"""Makes one image."""

from jobs.entry import main
from jobs.image_generation_job.pipeline import ImagePipeline

main(ImagePipeline())
