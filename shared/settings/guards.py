"""Startup guards: refuse test-only and unsafe settings in the cloud."""

from collections.abc import Iterator, Mapping

from shared.settings.addresses import ANY_ORIGIN

EMULATOR = "_EMULATOR_HOST"
FAKE_ENDPOINTS = (
    "PHOENIX_IDENTITY_ENDPOINT",
    "PHOENIX_TASKS_ENDPOINT",
    "PHOENIX_RUN_ENDPOINT",
    "PHOENIX_GENERATOR_ENDPOINT",
)
ONLY_HTTPS = ("PHOENIX_BASE_URL", "R2_ENDPOINT_URL", "R2_PUBLIC_URL")
SAMPLE_MODEL = "sample"


def is_in_cloud(environment: Mapping[str, str]) -> bool:
    """Return whether Cloud Run started this process; a local job's name contains a slash."""
    job = environment.get("CLOUD_RUN_JOB", "local/")
    return "K_SERVICE" in environment or not job.startswith("local/")


def refusals(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield one message for each refused variable, without its value."""
    is_gcp = environment.get("PHOENIX_BACKEND", "local") == "gcp"
    if is_in_cloud(environment):
        yield from _test_only(environment)
        yield from _unsafe(environment)
    elif is_gcp and "FIREBASE_AUTH_EMULATOR_HOST" in environment:
        yield "FIREBASE_AUTH_EMULATOR_HOST must not be set: it accepts unsigned tokens"


def _test_only(environment: Mapping[str, str]) -> Iterator[str]:
    if environment.get("PHOENIX_BACKEND", "local") == "local":
        yield "PHOENIX_BACKEND must not be local in the cloud"
    for name in sorted(environment):
        if name.endswith(EMULATOR) or name in FAKE_ENDPOINTS:
            yield f"{name} must not be set in the cloud"
    for name in ("PHOENIX_VIDEO_MODEL", "PHOENIX_IMAGE_MODEL"):
        if environment.get(name) == SAMPLE_MODEL:
            yield f"{name} must not be {SAMPLE_MODEL} in the cloud"


def _unsafe(environment: Mapping[str, str]) -> Iterator[str]:
    if environment.get("PHOENIX_CORS_ORIGINS", "").strip(", ") == ANY_ORIGIN:
        yield "PHOENIX_CORS_ORIGINS must name each origin in the cloud, without *"
    for name in ONLY_HTTPS:
        if environment.get(name, "").lower().startswith("http://"):
            yield f"{name} must begin with https:// in the cloud"
