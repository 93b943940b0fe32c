"""The composition root: the only place that chooses adapters."""

from shared.wiring.application import Phoenix, assembled, build

__all__ = ["Phoenix", "assembled", "build"]
