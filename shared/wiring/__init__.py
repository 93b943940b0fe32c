"""The composition root: the only place that chooses adapters."""

from shared.wiring.application import Phoenix, assembled, build
from shared.wiring.local import check_files

__all__ = ["Phoenix", "assembled", "build", "check_files"]
