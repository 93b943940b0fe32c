"""What one process takes from its clients."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """What one process takes from its clients; times in seconds."""

    open_max: int = 4_000
    head_bytes_max: int = (64 + 1) * 1024
    """Request line, headers and trailers together: 64 KiB in one line, and the usual other ones."""
    head_lines_max: int = 100
    head_s: float = 10
    """From the connection, or from the first byte of a later head, to the head's end."""
    body_s: float = 15
    """From the head's end to the body's end: longer than the application waits, which answers."""
    pipelined_max: int = 16
    """Requests of one connection that wait for the answer to an earlier one."""
    stalled_s: float = 60
    """How long a client may leave a full buffer of its answer unread."""
