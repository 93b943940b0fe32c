"""A WSGI application on a free local port: the base of the HTTP fakes."""

import ssl
import threading
from typing import Any, Self

from werkzeug.serving import WSGIRequestHandler, make_server

HOST = "127.0.0.1"
POLL_INTERVAL_S = 0.02


class Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        pass


class WebServer:
    """Serves each request in its own thread during its `with` block."""

    def __init__(self, application: Any, *, tls: ssl.SSLContext | None = None) -> None:
        self._server = make_server(
            HOST, 0, application, threaded=True, request_handler=Quiet, ssl_context=tls
        )
        self.host = f"{HOST}:{self._server.server_port}"
        self.url = f"http{'s' if tls else ''}://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_INTERVAL_S,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
