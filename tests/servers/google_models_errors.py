"""Errors of Google's generators, in every documented or observed shape."""

import json
from dataclasses import dataclass
from typing import Any

from tests.servers.google_models_vendor import SECRET_TEXT, SUSPENDED_KEY, WRONG_KEY

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "PAYMENT_REQUIRED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
CODE_NAMES = {
    400: "invalid_request",
    401: "authentication",
    402: "payment_required",
    403: "permission_denied",
    404: "not_found",
    409: "aborted",
    429: "rate_limit_exceeded",
    499: "cancelled",
    500: "api_error",
    501: "unimplemented",
    503: "service_unavailable",
    504: "deadline_exceeded",
}
"""https://ai.google.dev/gemini-api/docs/api-errors"""


def status_json(
    status: int, text: str = SECRET_TEXT, *, name: str = "", reason: str = ""
) -> dict[str, Any]:
    """Return an error of Google's APIs."""
    error: dict[str, Any] = {"code": status, "message": text}
    error["status"] = name or STATUS_NAMES.get(status, "UNKNOWN")
    if reason:
        info = {"reason": reason, "domain": "googleapis.com", "metadata": {"service": "x"}}
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo"} | info]
    return {"error": error}


def code_json(status: int, text: str = SECRET_TEXT, *, name: str = "") -> dict[str, Any]:
    """Return an error of the Interactions API."""
    code = name or CODE_NAMES.get(status, "unknown")
    return {"error": {"code": code, "message": text}}


def refused_key(key: str | None) -> tuple[int, Any] | None:
    """Return the response to a rejected key, or None."""
    if key == WRONG_KEY:
        text = "API key not valid. Please pass a valid API key."
        return 400, status_json(400, text, reason="API_KEY_INVALID")
    if key == SUSPENDED_KEY:
        text = f"Permission denied: Consumer 'api_key:{key}' has been suspended."
        return 403, status_json(403, text, reason="CONSUMER_SUSPENDED")
    return None


@dataclass(frozen=True)
class ErrorAnswer:
    """The response of a fault like `429:7` or `400/INVALID_ARGUMENT/API_KEY_INVALID`."""

    status: int
    headers: dict[str, str]
    content: bytes
    is_half: bool

    @classmethod
    def of(cls, fault: str, *, is_interactions_api: bool, key: str) -> "ErrorAnswer":
        head, _, shape = fault.partition("/")
        number, _, retry_after = head.partition(":")
        return cls(
            status=int(number),
            headers={"Retry-After": retry_after} if retry_after else {},
            content=_body(int(number), shape, is_interactions_api=is_interactions_api, key=key),
            is_half=shape == "half",
        )


def _body(status: int, shape: str, *, is_interactions_api: bool, key: str) -> bytes:
    own = code_json(status) if is_interactions_api else status_json(status)
    if shape in {"html", "none"}:
        return b"<html><h1>Error</h1></html>" if shape == "html" else b""
    bodies: dict[str, Any] = {
        "": own,
        "half": own,
        "list": [own],
        "number": {"error": {"code": status, "message": SECRET_TEXT}},
        "other": status_json(status + 1, name=STATUS_NAMES.get(status, "")),
        "key": status_json(status, f"{SECRET_TEXT} 'api_key:{key}'"),
        "odd": {"error": {"code": [], "status": STATUS_NAMES.get(status, ""), "message": {}}},
    }
    name, _, reason = shape.partition("/")
    if name.isupper():
        return json.dumps(status_json(status, name=name, reason=reason)).encode()
    return json.dumps(bodies.get(shape) or code_json(status, name=name)).encode()
