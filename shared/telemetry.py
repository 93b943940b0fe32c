"""One JSON line per event on standard output, with the keys that Cloud Logging reads.

`message` is the event's name, which metrics count by.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

_BOUND: ContextVar[Mapping[str, object]] = ContextVar("bound", default={})  # noqa: B039 (never changed in place)
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_ENCODER = json.JSONEncoder(default=str)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@contextmanager
def bind(**facts: object) -> Iterator[None]:
    """Add facts to every line that this thread or task logs inside the block."""
    token = _BOUND.set({**_BOUND.get(), **facts})
    try:
        yield
    finally:
        _BOUND.reset(token)


def bind_trace(traceparent: str | None) -> AbstractContextManager[None]:
    """Bind a W3C trace context as received; an invalid one is ignored.

    https://www.w3.org/TR/trace-context/#traceparent-header
    """
    return bind(**trace_facts(traceparent))


def trace_facts(traceparent: str | None) -> Mapping[str, object]:
    """Return what `bind_trace` binds."""
    is_valid = traceparent is not None and _TRACEPARENT.fullmatch(traceparent) is not None
    return {"traceparent": traceparent} if is_valid else {}


def traceparent() -> str | None:
    """Return the bound trace context, to pass it on."""
    bound = _BOUND.get().get("traceparent")
    return None if bound is None else str(bound)


class JsonLine(logging.Formatter):
    """Formats a record as one line; with a project, Cloud Trace finds its trace."""

    def __init__(self, service: str, *, project: str | None) -> None:
        super().__init__()
        self._service = service
        self._project = project

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            extra["stack_trace"] = self.formatException(record.exc_info)
        line = {
            "severity": record.levelname,
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "message": record.getMessage(),
            "service": self._service,
            "logger": record.name,
            **_BOUND.get(),
            **self._trace(),
            **extra,
        }
        return _ENCODER.encode(line)

    def _trace(self) -> dict[str, object]:
        """Return the bound trace under Cloud Logging's special fields.

        https://cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields
        """
        bound = traceparent()
        if bound is None or self._project is None:
            return {}
        _, trace, span, flags = bound.split("-")
        return {
            "logging.googleapis.com/trace": f"projects/{self._project}/traces/{trace}",
            "logging.googleapis.com/spanId": span,
            "logging.googleapis.com/trace_sampled": bool(int(flags, 16) & 1),
        }


def configure(service: str, *, project: str | None = None, stream: TextIO | None = None) -> None:
    """Send this process's log lines to one stream; a line that cannot be written is lost."""
    logging.raiseExceptions = False
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonLine(service, project=project))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
