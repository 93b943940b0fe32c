"""Reads a trace of system calls and finds responses that were sent before their commit was durable.

strace writes a line where a call begins and, if other calls come between, another where it returns. It
stops the thread at both, so the order of the lines is the order of the events.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

TRACER = (
    *("strace", "--follow-forks", "--seccomp-bpf", "--decode-fds=path"),
    *("--string-limit=65536", "--trace=pwrite64,write,writev,sendto,sendmsg,fdatasync,fsync"),
)
"""The command for such a trace; the limit is far above a page and a response."""
SYNCS = ("fdatasync", "fsync")
NEVER = sys.maxsize
FRAME_HEADER_BYTES = 24
"""A frame of the write-ahead log is this header and a page (https://sqlite.org/fileformat2.html#walformat)."""

_CALL = re.compile(r"(\d+) +(\w+)\(\d+<([^>]*)>(.*)")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_RESULT = re.compile(r"\) += (-?\d+)\b[^\"]*$")
_ACCEPTED = re.compile(
    rb"HTTP/1\.1 202 .*?\r\nlocation: /api/generate/creation/(\w+)\r\n", re.DOTALL | re.IGNORECASE
)


@dataclass(frozen=True)
class Call:
    """A system call on a file or socket; `began` and `returned` are line numbers of the trace."""

    name: str
    file: str
    data: bytes
    began: int
    returned: int = NEVER
    result: int | None = None

    def returning(self, rest: str, line_number: int) -> "Call":
        """Return the call with the result in the rest of its line, if it is there."""
        if (result := _RESULT.search(rest)) is None:
            return self
        return replace(self, returned=line_number, result=int(result[1]))


@dataclass(frozen=True)
class Commit:
    """A transaction in the write-ahead log, and when the last of its writes returned."""

    data: bytes
    written: int


def calls_of(trace: Iterable[str]) -> list[Call]:
    """Return the calls of a trace in the order in which they began."""
    calls: list[Call] = []
    waiting: dict[str, int] = {}
    for number, line in enumerate(trace):
        if (call := _CALL.match(line)) is not None:
            thread, name, file, rest = call.groups()
            waiting[thread] = len(calls)
            calls.append(Call(name, file, _data(rest), number).returning(rest, number))
        elif (resumed := _RESUMED.match(line)) is not None and resumed[1] in waiting:
            at = waiting.pop(resumed[1])
            calls[at] = calls[at].returning(resumed[2], number)
    return calls


def _data(arguments: str) -> bytes:
    texts = _TEXT.findall(arguments)
    return b"".join(ast.literal_eval(f'b"{text}"') for text in texts)


def commits_of(calls: Iterable[Call], log: str) -> Iterator[Commit]:
    """Yield the transactions in a write-ahead log; the header of a last frame has a size."""
    data, is_last = b"", False
    for call in calls:
        if call.file != log or call.name in SYNCS:
            continue
        data += call.data
        if len(call.data) == FRAME_HEADER_BYTES:
            is_last = call.data[4:8] != bytes(4)
        elif is_last:
            yield Commit(data, call.returned)
            data, is_last = b"", False


def accepted(calls: Iterable[Call]) -> dict[str, int]:
    """Return the creation of each 202, and when its first byte was sent."""
    return {
        creation_id.decode(): call.began
        for call in calls
        if call.file.startswith("socket:")
        for creation_id in _ACCEPTED.findall(call.data)
    }


def not_durable(calls: Sequence[Call], log: str) -> set[str]:
    """Return the creations whose 202 was sent before their debit was durable.

    The debit is durable when a sync of the log has returned that began after the commit was written.
    """
    commits = list(commits_of(calls, log))
    syncs = [call for call in calls if call.name in SYNCS and call.file == log and call.result == 0]

    def is_durable(creation_id: str, sent: int) -> bool:
        debit = f"{creation_id}_debit_1".encode()
        written = next((commit.written for commit in commits if debit in commit.data), NEVER)
        return any(written < sync.began and sync.returned < sent for sync in syncs)

    sent = accepted(calls)
    return {creation_id for creation_id in sent if not is_durable(creation_id, sent[creation_id])}
