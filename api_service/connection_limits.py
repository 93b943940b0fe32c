"""Limits on the connections of one process."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """Times are in seconds."""

    open_max: int = 4_000
    head_bytes_max: int = (64 + 1) * 1024
    """Request line, headers and trailers together: one line of 64 KiB, and the usual others."""
    head_lines_max: int = 100
    head_s: float = 10
    """From the connection, or from the first byte of a later head, to the head's end."""
    body_s: float = 15
    """From the head's end to the body's end; the application's own timeout is shorter."""
    pipelined_max: int = 16
    """Requests of one connection that wait for the response to an earlier one."""
    stalled_s: float = 60  # how long a client may leave a full buffer of its response unread
