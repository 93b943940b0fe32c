"""Paths for the access log, without the secrets that some contain."""

import re

_SECRETS = re.compile(r"(/shared/[^/]*/|/api/downloads/).+", re.DOTALL | re.IGNORECASE)
"""Everything after a shared creation's id or the downloads' path, whether or not it is a secret."""


def without_secrets(path: str) -> str:
    return _SECRETS.sub(r"\1*", path)
