"""What an audit reports: a document that breaks an invariant."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Violation:
    invariant: str
    document: str
    what: str
