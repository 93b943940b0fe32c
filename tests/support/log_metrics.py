"""Evaluates Google's log-based metrics on log lines, as far as our files use their language.

https://cloud.google.com/logging/docs/view/logging-query-language
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TERM = re.compile(r'([\w.]+)=(?:"([^"]*)"|\(("[^"]*"(?: OR "[^"]*")*)\))')
EXTRACTOR = re.compile(r"EXTRACT\(([\w.]+)\)")
TAKEN_OUT = ("severity", "time", "httpRequest", "logging.googleapis.com/")
"""Fields that Cloud Logging moves from the payload into the entry."""
RUNS_AS = {
    "api": "cloud_run_revision",
    "image-generation-job": "cloud_run_job",
    "video-generation-job": "cloud_run_job",
    "cli": "cloud_run_job",
}


@dataclass(frozen=True)
class Sample:
    """The labels of one counted log entry, and 1 or the extracted value."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class LogMetric:
    """A metric described by its file."""

    description: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "LogMetric":
        return cls(json.loads(path.read_text()))

    @property
    def name(self) -> str:
        return self.description["name"]

    @property
    def labels(self) -> dict[str, str]:
        return self.description.get("labelExtractors", {})

    def samples(self, lines: Iterable[Mapping[str, Any]]) -> list[Sample]:
        return [self._sample(entry) for entry in map(entry_of, lines) if self._counts(entry)]

    def _counts(self, entry: Mapping[str, Any]) -> bool:
        terms = self.description["filter"].split(" AND ")
        return all(at(entry, path) in values for path, values in map(term, terms))

    def _sample(self, entry: Mapping[str, Any]) -> Sample:
        labels = {
            label: _text(extracted(entry, extractor)) for label, extractor in self.labels.items()
        }
        value = self.description.get("valueExtractor")
        return Sample(labels, 1 if value is None else float(extracted(entry, value)))


def _text(value: Any) -> str:
    """Return a label's value: a boolean as JSON writes it, a missing field as empty."""
    return str(value).lower() if isinstance(value, bool) else str(value or "")


def term(text: str) -> tuple[str, set[str]]:
    """Parse a filter term into a field path and its accepted values."""
    parsed = TERM.fullmatch(text)
    assert parsed, f"unknown in a filter: {text}"
    path, value, values = parsed.groups()
    return path, set(re.findall(r'"([^"]*)"', values)) if values else {value}


def extracted(entry: Mapping[str, Any], extractor: str) -> Any:
    parsed = EXTRACTOR.fullmatch(extractor)
    assert parsed, f"unknown extractor: {extractor}"
    return at(entry, parsed[1])


def at(entry: Any, path: str) -> Any:
    """Return the value at a dotted path, or None."""
    for name in path.split("."):
        entry = entry.get(name) if isinstance(entry, Mapping) else None
    return entry


def entry_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the log entry that Cloud Logging creates from a line."""
    payload = {key: value for key, value in line.items() if not key.startswith(TAKEN_OUT)}
    return {"resource": {"type": RUNS_AS.get(line["service"])}, "jsonPayload": payload}


def lines_of(*texts: str) -> Iterator[dict[str, Any]]:
    """Parse the JSON lines of log files."""
    for text in texts:
        for line in text.splitlines():
            yield json.loads(line)
