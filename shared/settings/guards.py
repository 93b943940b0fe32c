"""What a process refuses to start with, here: in the cloud, much that is good for a test.

In the cloud is where Cloud Run says so. A server that stands in for one of Google's is never
believed there; elsewhere only one on the same machine is.
"""

from collections.abc import Iterator, Mapping

from shared.settings.addresses import ANY_ORIGIN

EMULATOR = "_EMULATOR_HOST"
STAND_INS = (
    "PHOENIX_IDENTITY_ENDPOINT",
    "PHOENIX_TASKS_ENDPOINT",
    "PHOENIX_RUN_ENDPOINT",
    "PHOENIX_GENERATOR_ENDPOINT",
)
ONLY_HTTPS = ("PHOENIX_BASE_URL", "R2_ENDPOINT_URL", "R2_PUBLIC_URL")
MODELS = ("PHOENIX_VIDEO_MODEL", "PHOENIX_IMAGE_MODEL")
SAMPLE_MODEL = "sample"


def is_in_cloud(environment: Mapping[str, str]) -> bool:
    """Tell whether Cloud Run started this process; a local job's name holds a slash."""
    job = environment.get("CLOUD_RUN_JOB", "local/")
    return "K_SERVICE" in environment or not job.startswith("local/")


def refusals(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield what must not be set like this, each by its name; values are not repeated."""
    is_cloud = is_in_cloud(environment)
    is_gcp = environment.get("PHOENIX_BACKEND") == "gcp"
    if is_gcp and not is_cloud and "FIREBASE_AUTH_EMULATOR_HOST" in environment:
        yield "FIREBASE_AUTH_EMULATOR_HOST must not be set: it lets unsigned tokens in"
    if is_cloud:
        yield from _stand_ins(environment)
        yield from _unsafe(environment)


def _stand_ins(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield what takes the place of a real service; the local backend takes all of them."""
    if environment.get("PHOENIX_BACKEND", "local") == "local":
        yield "PHOENIX_BACKEND must not be local in the cloud"
    for name in sorted(environment):
        if name.endswith(EMULATOR) or name in STAND_INS:
            yield f"{name} must not be set in the cloud"
    for name in MODELS:
        if environment.get(name) == SAMPLE_MODEL:
            yield f"{name} must not be {SAMPLE_MODEL} in the cloud"


def _unsafe(environment: Mapping[str, str]) -> Iterator[str]:
    if environment.get("PHOENIX_CORS_ORIGINS", "").strip(", ") == ANY_ORIGIN:
        yield "PHOENIX_CORS_ORIGINS must name each origin in the cloud, without *"
    for name in ONLY_HTTPS:
        if environment.get(name, "").lower().startswith("http://"):
            yield f"{name} must begin with https:// in the cloud"
