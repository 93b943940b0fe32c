"""Protect a job's settings from the overrides of an execution, before any vendor reads them.

An execution may override every environment variable and argument of a job, but not its command
(https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs/run). Provisioning
therefore writes a seal, the digest of the job's settings, into the command.
"""

import hashlib
import hmac
import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence

from shared.domain.errors import WrongSetting
from shared.settings.guards import EMULATOR, is_in_cloud

SEAL = "--sealed="
SECRETS = frozenset({"R2_SECRET_ACCESS_KEY", "PHOENIX_WELCOME_KEY"})
"""Variables from Secret Manager, whose values provisioning does not know."""
OVERRIDABLE = frozenset({"CREATION_ID", "DRAIN", "RERUN_FAILED", "TRACEPARENT"})
WRONG_CONFIGURATION = 2


def enforce(*, takes_arguments: bool = False) -> None:
    """Apply the seal to this process and its arguments, or exit with status 2 and one line."""
    try:
        sys.argv[1:] = apply_seal(sys.argv[1:], os.environ, takes_arguments=takes_arguments)
    except WrongSetting as error:
        print(error, file=sys.stderr)  # noqa: T201 (the one line of a refused start)
        sys.exit(WRONG_CONFIGURATION)


def apply_seal(
    arguments: Sequence[str],
    environment: MutableMapping[str, str],
    *,
    takes_arguments: bool = False,
) -> list[str]:
    """Return the other arguments; in the cloud, remove every variable that no process needs.

    Only the first argument can be the seal: it belongs to the command, which cannot be overridden.
    Settings that differ from the sealed ones, and other arguments, are refused.
    """
    rest = list(arguments)
    is_sealed_process = bool(rest) and rest[0].startswith(SEAL)
    if is_sealed_process:
        _check(rest.pop(0).removeprefix(SEAL), environment)
    if rest and not takes_arguments:
        raise WrongSetting(setting="arguments", reason="a job takes none: set CREATION_ID")
    if is_sealed_process or is_in_cloud(environment):
        for name in [each for each in environment if not _is_known(each)]:
            del environment[name]
    return rest


def _check(seal: str, environment: Mapping[str, str]) -> None:
    if not hmac.compare_digest(seal.encode(errors="surrogateescape"), digest(environment).encode()):
        raise WrongSetting(
            setting="settings",
            reason=f"they differ from the job's seal: an execution may set only"
            f" {', '.join(sorted(OVERRIDABLE))}; change the others in settings.env and provision",
        )


def digest(environment: Mapping[str, str]) -> str:
    """Return the SHA-256 of the sorted NAME=value lines, as provisioning computes it."""
    lines = sorted(f"{name}={value}\n" for name, value in environment.items() if _is_sealed(name))
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def _is_sealed(name: str) -> bool:
    is_setting = name.startswith(("PHOENIX_", "R2_")) or name == "GOOGLE_CLOUD_PROJECT"
    return is_setting and name not in SECRETS


def _is_known(name: str) -> bool:
    """Return whether a job needs a variable, or a startup guard must see it to refuse it.

    Others could redirect a vendor's client (AWS_ENDPOINT_URL, HTTPS_PROXY, SSL_CERT_FILE) or
    choose a program to run (IMAGEIO_FFMPEG_EXE, AWS_CONFIG_FILE).
    """
    is_needed = _is_sealed(name) or name in SECRETS | OVERRIDABLE
    return is_needed or name.startswith("CLOUD_RUN_") or name.endswith(EMULATOR)
