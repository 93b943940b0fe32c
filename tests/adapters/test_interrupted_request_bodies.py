"""A connection that breaks while a start's body is being sent: the start may have happened."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from shared.domain.errors import StartOutcomeUnknown
from tests.adapters.google_models import ONE, by_id
from tests.servers.google_models_variants import IMAGE, VEO, Variant
from tests.support.builders import a_brief

MORE_THAN_SOCKET_BUFFERS = 16 * 1024 * 1024
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER for a reset instead of an orderly close."""


@contextmanager
def server_that_resets_during_the_body() -> Iterator[str]:
    """Accept connections, read the beginning of the request and reset."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1024)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@by_id([VEO, IMAGE])
def test_start_is_unknown_if_the_connection_breaks_while_its_body_is_sent(variant: Variant) -> None:
    brief = replace(a_brief(variant.kind), prompt="x" * MORE_THAN_SOCKET_BUFFERS)

    with server_that_resets_during_the_body() as url:
        generator = variant.open(url)
        with pytest.raises(StartOutcomeUnknown):
            generator.start(brief, creation_id=ONE, attempt=1)
