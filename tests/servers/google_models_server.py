"""A fake of Google's generators and their bucket over HTTP, in the recorded wire protocol.

It serves both surfaces (Google Cloud: bearer token; developer API: key), counts paid starts, and is
controlled by the sample generator's words in a prompt, by faults for the next requests, and by the
ends of the next accepted works.

    python -m tests.servers.google_models_server --port 9000
    curl localhost:9000/control                                 paid starts
    curl localhost:9000/control -d '{"faults": {"start": ["429:7"]}, "ends": ["filtered"]}'

Faults of `start`, `poll`, `fetch`, `find` and `delete`, or of `start:PROMPT` and `fetch:PROMPT`;
all but the first five accept a paid start:

    429 or 429:7    that status with the vendor's own error (with that Retry-After)
    400/SHAPE/WHY   that status with another body: a code of Google's (NOT_FOUND) or of the
                    Interactions API (not_found), with WHY as its reason; `list`, `html`, `none`,
                    `odd` (its code is a list), `half`, `number` (an error without its status), `key` (the key is repeated)
    redirect        a 307 to itself
    reset           not accepted, connection reset
    unheard         not accepted, no response
    lost            accepted, connection reset
    hang            accepted, no response
    drip            the response arrives byte by byte
    empty, half, nonsense, nameless, gzipped, huge      such a response; huge is 300 MB
    endless         300 MB without Content-Length
    created         status 201
    deep            a hundred thousand brackets
    identity        Content-Encoding: Identity

Ends of an accepted work: `media` (the default), `cut`, `text` (no media at all), `huge`,
`error:CODE:MESSAGE`, `nothing`, `filtered`, `filtered-nested`, `never`, `status:WORD` (Omni),
`block:REASON` and `finish:REASON` (images), `strange` (unknown values and fields), and the
shapes of media in `tests.servers.google_models_shapes`.
"""

import argparse
import gzip
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from shared.domain.kind import Kind
from tests.servers.google_models_errors import ErrorAnswer, code_json, refused_key, status_json
from tests.servers.google_models_shapes import image_json, interaction_json, operation_json
from tests.servers.google_models_vendor import HUGE_BYTES, POLICY_TEXT, Vendor, Work

HANG_S = 60
DRIP_S = 0.3
CHUNK_BYTES = 1024 * 1024
CLOUD = r"/v1(?:beta1)?/projects/[^/]+/locations/[^/]+"
ROUTES = [
    ("POST", rf"{CLOUD}/publishers/google/models/[^/:]+:predictLongRunning", "start_operation"),
    ("POST", rf"{CLOUD}/publishers/google/models/[^/:]+:fetchPredictOperation", "poll_operation"),
    ("POST", rf"(?:{CLOUD}/publishers/google|/v1)/models/[^/:]+:generateContent", "start_image"),
    ("POST", rf"(?:{CLOUD}|/v1)/interactions", "start_interaction"),
    ("GET", rf"(?:{CLOUD}|/v1)/interactions/([^/]+)", "poll_interaction"),
    ("DELETE", rf"(?:{CLOUD}|/v1)/interactions/([^/]+)", "delete_interaction"),
    ("GET", r"/v1/models/([^/:]+)", "describe_model"),
    ("GET", r"/v1/files/([a-z0-9]+):download", "redirect_to_file"),
    ("GET", r"/content/([a-z0-9]+)", "send_file"),
    ("GET", r"/storage/v1/b/([^/]+)/o", "list_objects"),
    ("GET", r"/storage/v1/b/([^/]+)/o/([^/]+)", "send_object"),
    ("GET", r"/control", "show"),
    ("POST", r"/control", "steer"),
]
UNGUARDED = {"show", "steer", "send_file"}


class GoogleModelsServer(ThreadingHTTPServer):
    """Serves a vendor on a free port during its `with` block."""

    daemon_threads = True
    request_queue_size = 64  # a job's attempts connect together

    def __init__(self, vendor: Vendor | None = None, *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.vendor = vendor or Vendor()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.vendor.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def shutdown_request(self, request: Any) -> None:
        """Close without a shutdown, so that a reset is a reset."""
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that time out."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: GoogleModelsServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # together with the next line: no 44 ms for each answer
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        self.route("GET")

    def do_POST(self) -> None:
        self.route("POST")

    def do_DELETE(self) -> None:
        self.route("DELETE")

    def route(self, method: str) -> None:
        size_bytes = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(size_bytes) or b"{}")
        path = urlsplit(self.path).path
        for wanted, pattern, name in ROUTES:
            match = re.fullmatch(pattern, path)
            if wanted == method and match:
                if name in UNGUARDED:
                    return getattr(self, name)(body, *match.groups())
                self.server.vendor.requests.append((method, path, body))
                if not self.is_authorised(path):
                    return self.send_json(401, status_json(401))
                if refusal := refused_key(self.headers.get("x-goog-api-key")):
                    return self.send_json(*refusal)
                return getattr(self, name)(body, *map(unquote, match.groups()))
        return self.send_json(404, status_json(404))

    def is_authorised(self, path: str) -> bool:
        if "/projects/" in path or path.startswith("/storage/"):
            return self.headers.get("Authorization", "").startswith("Bearer ")
        return bool(self.headers.get("x-goog-api-key"))

    # Starts

    def start_operation(self, body: Any) -> None:
        prompt, wanted = body["instances"][0]["prompt"], body["parameters"]
        model = urlsplit(self.path).path.partition("/projects/")[2].partition(":")[0]

        def accept() -> dict[str, Any]:
            work = self.server.vendor.accepted(
                Kind.VIDEO,
                prompt,
                f"projects/{model}/operations/",
                aspect_ratio=wanted["aspectRatio"],
                duration_s=wanted["durationSeconds"],
                folder=wanted.get("storageUri"),
            )
            return {"name": work.name}

        self.start(prompt, accept)

    def start_interaction(self, body: Any) -> None:
        wanted = body["response_format"]
        folder = wanted.get("gcs_uri") if wanted.get("delivery") == "uri" else None
        is_cloud = "/projects/" in self.path
        if is_cloud and wanted.get("delivery") == "uri" and not folder:
            return self.send_json(400, status_json(400, "gcs_uri is required"))
        if not (body.get("background") and body.get("store")):
            return self.send_json(400, status_json(400, "it would be answered when it is done"))

        def accept() -> dict[str, Any]:
            work = self.server.vendor.accepted(
                Kind.VIDEO,
                body["input"],
                "v1_",
                aspect_ratio=wanted["aspect_ratio"],
                duration_s=int(wanted["duration"].removesuffix("s")),
                folder=folder if is_cloud else "files",
            )
            return {"id": work.name, "status": "in_progress", "new": 1}

        return self.start(body["input"], accept)

    def start_image(self, body: Any) -> None:
        prompt = body["contents"][0]["parts"][0]["text"]
        wanted = body["generationConfig"]["imageConfig"]
        vendor = self.server.vendor

        def accept() -> dict[str, Any]:
            ratio = wanted["aspectRatio"]
            facts = {"aspect_ratio": ratio, "duration_s": None, "folder": None}
            work = vendor.accepted(Kind.IMAGE, prompt, "image", **facts)
            if "[slow" in prompt:
                vendor.closing.wait(work.takes_s)
            return image_json(vendor, work)

        if "[refuse]" in prompt:
            return self.send_json(200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
        return self.start(prompt, accept)

    def start(self, prompt: str, accept: Callable[[], dict[str, Any]]) -> None:
        if "[refuse]" in prompt and self.is_interactions_api:
            return self.send_json(400, code_json(400, POLICY_TEXT, name="content_blocked"))
        if "[refuse]" in prompt:
            return self.send_json(400, status_json(400, POLICY_TEXT))
        return self.meet(self.server.vendor.fault("start", prompt), accept)

    @property
    def is_interactions_api(self) -> bool:
        """Return whether this is the developer API's Interactions API, with its own errors."""
        return self.path.startswith("/v1/interactions")

    # Reads

    def poll_operation(self, body: Any) -> None:
        self.poll(body["operationName"], operation_json)

    def poll_interaction(self, _: Any, name: str) -> None:
        self.poll(name, interaction_json)

    def poll(self, name: str, answer: Callable[[Vendor, Work], dict[str, Any]]) -> None:
        vendor = self.server.vendor
        work = vendor.work(name)
        if work is None:
            return self.send_json(404, status_json(404))
        return self.meet(vendor.fault("poll"), lambda: answer(vendor, work))

    def delete_interaction(self, _: Any, name: str) -> None:
        vendor = self.server.vendor
        if vendor.work(name) is None or name in vendor.deleted:
            return self.send_json(404, status_json(404))

        def delete() -> dict[str, Any]:
            vendor.deleted.append(name)
            return {"deleted": name}

        return self.meet(vendor.fault("delete"), delete)

    def describe_model(self, _: Any, model: str) -> None:
        vendor = self.server.vendor
        if model in vendor.unknown_models:
            text = f"models/{model} is not found for API version v1"
            return self.send_json(404, status_json(404, text))
        return self.meet(vendor.fault("model"), lambda: {"name": f"models/{model}"})

    def list_objects(self, _: Any, bucket: str) -> None:
        """Send one page of the objects with a prefix."""
        vendor, query = self.server.vendor, parse_qs(urlsplit(self.path).query)
        named = [each for each in vendor.listed(bucket) if each.name.startswith(query["prefix"][0])]
        begin = int(query.get("pageToken", ["0"])[0])
        end = begin + vendor.page_size
        items = [
            {"name": each.name, "size": str(each.size_bytes), "contentType": each.content_type}
            for each in named[begin:end]
        ]
        answer: dict[str, Any] = {"kind": "storage#objects"} | ({"items": items} if items else {})
        if end < len(named):
            answer["nextPageToken"] = str(end)
        self.meet(vendor.fault("find"), lambda: answer)

    def send_object(self, _: Any, bucket: str, name: str) -> None:
        vendor = self.server.vendor
        if sizes := [each.size_bytes for each in vendor.objects_added if each.name == name]:
            return self.meet(vendor.fault("fetch"), lambda: bytes(sizes[0]))
        works = list(vendor.objects())
        return self.send_media([w for w in works if w.address == f"gs://{bucket}/{name}"])

    def redirect_to_file(self, _: Any, file_id: str) -> None:
        self.send_response(302)
        self.send_header("Location", f"/content/{file_id}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_file(self, _: Any, file_id: str) -> None:
        works = self.server.vendor.works
        self.send_media([w for w in works if w.name.replace("_", "") == file_id])

    def send_media(self, found: list[Work]) -> None:
        if not found:
            return self.send_json(404, status_json(404))
        content = self.server.vendor.media(found[0])
        return self.meet(self.server.vendor.fault("fetch", found[0].prompt), lambda: content)

    # Control

    def show(self, _: Any) -> None:
        self.send_json(200, {"works": [asdict(work) for work in self.server.vendor.works]})

    def steer(self, body: Any) -> None:
        self.server.vendor.faults |= body.get("faults", {})
        self.server.vendor.ends += body.get("ends", [])
        self.send_json(200, {})

    # Responses and faults

    def meet(self, fault: str, content_of: Callable[[], dict[str, Any] | bytes]) -> None:
        """Send the content, or what the fault changes it to."""
        if fault[:1].isdigit():
            is_own, key = self.is_interactions_api, self.headers.get("x-goog-api-key", "")
            self.send_error_answer(ErrorAnswer.of(fault, is_interactions_api=is_own, key=key))
            return
        if fault == "redirect":
            self.send_json(307, {}, Location=self.path)
            return
        if fault == "reset":
            self.reset()
            return
        if fault == "unheard":
            self.send_hang(b"")
            return
        body = content_of()
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        if fault:
            getattr(self, f"send_{fault}")(content)
        else:
            self.send_bytes(200, content)

    def send_error_answer(self, answer: ErrorAnswer) -> None:
        if not answer.is_half:
            self.send_bytes(answer.status, answer.content, **answer.headers)
            return
        self.send_head(answer.status, len(answer.content), **answer.headers)
        self.wfile.write(answer.content[: len(answer.content) // 2])
        self.close_connection = True

    def send_json(self, status: int, answer: Any, **headers: str) -> None:
        self.send_bytes(status, json.dumps(answer).encode(), **headers)

    def send_bytes(self, status: int, content: bytes, **headers: str) -> None:
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            content, headers = gzip.compress(content), {**headers, "Content_Encoding": "gzip"}
        self.send_head(status, len(content), **headers)
        self.wfile.write(content)

    def send_head(self, status: int, size_bytes: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(size_bytes))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def send_lost(self, _: bytes) -> None:
        self.reset()

    def send_hang(self, _: bytes) -> None:
        self.server.vendor.closing.wait(HANG_S)
        self.reset()

    def send_drip(self, content: bytes) -> None:
        self.send_head(200, len(content))
        for place in range(len(content)):
            self.wfile.write(content[place : place + 1])
            self.wfile.flush()
            if self.server.vendor.closing.wait(DRIP_S):
                return self.reset()
        return None

    def send_empty(self, _: bytes) -> None:
        self.send_bytes(200, b"")

    def send_half(self, content: bytes) -> None:
        self.send_head(200, len(content))
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True

    def send_nonsense(self, _: bytes) -> None:
        self.send_bytes(200, b"<html>busy</html>")

    def send_nameless(self, _: bytes) -> None:
        self.send_bytes(200, b"{}")

    def send_gzipped(self, content: bytes) -> None:
        self.send_bytes(200, content, Content_Encoding="gzip")

    def send_created(self, content: bytes) -> None:
        self.send_bytes(201, content)

    def send_deep(self, _: bytes) -> None:
        self.send_bytes(200, b"[" * 100_000)

    def send_identity(self, content: bytes) -> None:
        self.send_bytes(200, content, Content_Encoding="Identity")

    def send_endless(self, _: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.send_spaces()

    def send_huge(self, _: bytes) -> None:
        self.send_head(200, HUGE_BYTES)
        self.send_spaces()

    def send_spaces(self) -> None:
        for _number in range(0, HUGE_BYTES, CHUNK_BYTES):
            self.wfile.write(b" " * CHUNK_BYTES)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--takes", type=float, default=2.0, help="seconds of an operation")
    given = arguments.parse_args()
    with GoogleModelsServer(Vendor(takes_s=given.takes), port=given.port) as server:
        print(server.url, flush=True)  # noqa: T201 (for the process that started it)
        while True:
            time.sleep(HANG_S)


if __name__ == "__main__":
    main()
