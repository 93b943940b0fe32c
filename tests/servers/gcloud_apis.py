"""The recorder's model of Google's APIs: resources by name, policies and documented limits.

It rejects what gcloud would send but the service would refuse: bindings of missing accounts or
resources, queues beyond the limits, jobs without their secrets.
"""

import base64
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tests.servers.gcloud_limits import ROLES, check, is_on

Json = dict[str, Any]


@dataclass(frozen=True)
class ApiRequest:
    """A received request."""

    method: str
    api: str
    region: str
    path: str
    query: dict[str, str]
    body: Any


class UnknownRequest(Exception):
    """No model handles this request."""


class Refusal(Exception):
    """An error response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


Model = Callable[..., Any]
ROUTES: list[tuple[str, str, re.Pattern[str], Model]] = []


def route(method: str, api: str, path: str) -> Callable[[Model], Model]:
    """Register the handler of one kind of request."""

    def register(model: Model) -> Model:
        ROUTES.append((method, api, re.compile(path), model))
        return model

    return register


@dataclass
class Cloud:
    """The state of one project."""

    project: str
    number: str = "123456789012"
    resources: dict[str, Json] = field(default_factory=dict)
    """By API and name, `tasks:projects/P/locations/R/queues/Q`."""
    policies: dict[str, list[Json]] = field(default_factory=dict)
    unready: dict[str, str] = field(default_factory=dict)
    """Services and executions that fail to become ready, and why."""
    serial: int = 0
    has_billing: bool = True
    on_build: Callable[[Json], None] | None = None
    """Runs a build; without it every build succeeds at once."""

    def handle(self, request: ApiRequest) -> Any:
        """Return the response; raise `Refusal` or `UnknownRequest`."""
        for method, api, path, model in ROUTES:
            found = path.fullmatch(request.path)
            if method == request.method and api in {request.api, "*"} and found:
                return model(self, request, **found.groupdict())
        raise UnknownRequest

    def get(self, key: str) -> Json:
        """Return a resource; raise `Refusal` if it is missing."""
        if key not in self.resources:
            raise Refusal(404, f"{key} was not found")
        return self.resources[key]

    def find(self, ending: str) -> Json:
        """Return the only resource whose name has this ending."""
        (key,) = [key for key in self.resources if key.endswith(ending)]
        return self.resources[key]

    def add(self, key: str, body: Json) -> Json:
        """Add a resource; raise `Refusal` if it exists or is invalid."""
        if key in self.resources:
            raise Refusal(409, f"{key} already exists")
        self.check(key, body)
        self.resources[key] = body
        return body

    def check(self, key: str, body: Json) -> None:
        """Raise `Refusal` for an invalid resource."""
        problem = check(key, body, is_there=self.is_there)
        if problem:
            raise Refusal(400, f"{key}: {problem}")

    def is_there(self, ending: str) -> bool:
        """Return whether a resource's name has this ending."""
        return any(key.endswith(ending) for key in self.resources)

    def next(self) -> int:
        """Return an unused number."""
        self.serial += 1
        return self.serial

    def holders(self, ending: str) -> dict[str, set[str]]:
        """Return the members of each role on the resource whose name has this ending."""
        keys = [key for key in self.policies if key.endswith(ending)]
        if not keys:
            return {}
        (key,) = keys
        return {each["role"]: set(each["members"]) for each in self.policies[key]}


def refuse(status: int, message: str) -> NoReturn:
    raise Refusal(status, message)


# Policies: the same calls in every API


@route("GET", "*", r"(?P<path>/.*):getIamPolicy")
@route("POST", "*", r"(?P<path>/.*):getIamPolicy")
@route("GET", "storage", r"(?P<path>/storage/v1/b/[^/]+)/iam")
def get_policy(cloud: Cloud, request: ApiRequest, path: str) -> Json:
    key = _policy_key(cloud, request, path)
    bindings = deepcopy(cloud.policies.get(key, []))
    return {"version": 1, "etag": _etag(bindings), "bindings": bindings}


@route("POST", "*", r"(?P<path>/.*):setIamPolicy")
@route("PUT", "storage", r"(?P<path>/storage/v1/b/[^/]+)/iam")
def set_policy(cloud: Cloud, request: ApiRequest, path: str) -> Json:
    key = _policy_key(cloud, request, path)
    policy = request.body.get("policy", request.body)
    if policy.get("etag") != _etag(cloud.policies.get(key, [])):
        refuse(409, "the policy has changed since it was read")
    for binding in policy.get("bindings", []):
        _check_binding(cloud, key, binding)
    cloud.policies[key] = policy.get("bindings", [])
    return {**policy, "etag": _etag(cloud.policies[key])}


def _policy_key(cloud: Cloud, request: ApiRequest, path: str) -> str:
    """Return the key of the policy's resource, which must exist."""
    name = re.sub(r"^/(storage/)?v\d\w*/", "", path)
    if request.api == "cloudresourcemanager":
        return f"project:{cloud.project}"
    if request.api == "run":
        project, kind, name = re.fullmatch(
            r"projects/([^/]+)/locations/[^/]+/(\w+)/(.+)", name
        ).groups()  # type: ignore[union-attr]  # gcloud knows its paths
        name = f"namespaces/{project}/{kind}/{name}"
    cloud.get(f"{request.api}:{name}")
    return f"{request.api}:{name}"


def _etag(bindings: list[Json]) -> str:
    return base64.b64encode(repr(bindings).encode())[-24:].decode()


def _check_binding(cloud: Cloud, key: str, binding: Json) -> None:
    role = binding["role"]
    if role not in ROLES:
        refuse(400, f"Role {role} is not supported")
    if not is_on(role, key):
        refuse(400, f"Role {role} is not supported on {key}")
    for member in binding["members"]:
        kind, _, address = member.partition(":")
        if kind == "serviceAccount" and not cloud.is_there(f"/serviceAccounts/{address}"):
            refuse(400, f"Service account {address} does not exist")


# Resources with POST, GET and PATCH

COLLECTIONS = {
    ("cloudtasks", r"/v2\w*/(?P<parent>projects/[^/]+/locations/[^/]+/queues)"): "name",
    ("cloudscheduler", r"/v1/(?P<parent>projects/[^/]+/locations/[^/]+/jobs)"): "name",
    ("secretmanager", r"/v1/(?P<parent>projects/[^/]+/secrets)"): "secretId",
    ("artifactregistry", r"/v1/(?P<parent>projects/[^/]+/locations/[^/]+/repositories)"): (
        "repositoryId"
    ),
    ("firestore", r"/v1/(?P<parent>projects/[^/]+/databases)"): "databaseId",
}
LONG_RUNNING_APIS = {"artifactregistry", "firestore"}
"""APIs whose changes return an operation."""


def _collection(api: str, path: str, id_name: str) -> None:
    @route("POST", api, path)
    def create(cloud: Cloud, request: ApiRequest, parent: str) -> Json:
        body = request.body
        name = body["name"] if id_name == "name" else f"{parent}/{request.query[id_name]}"
        created = cloud.add(f"{api}:{name}", {**body, "name": name})
        return operation(api, created) if api in LONG_RUNNING_APIS else created

    @route("GET", api, path + r"/(?P<name>[^/:]+)")
    def get(cloud: Cloud, request: ApiRequest, parent: str, name: str) -> Json:
        return cloud.get(f"{api}:{parent}/{name}")

    @route("PATCH", api, path + r"/(?P<name>[^/:]+)")
    def patch(cloud: Cloud, request: ApiRequest, parent: str, name: str) -> Json:
        key = f"{api}:{parent}/{name}"
        changed = _masked(cloud.get(key), request.body, request.query["updateMask"])
        cloud.check(key, changed)
        cloud.resources[key] = changed
        return changed


def _masked(was: Json, body: Json, mask: str) -> Json:
    """Return a resource with only the masked fields of a body replaced."""
    changed = deepcopy(was)
    for path in mask.split(","):
        *parents, last = path.split(".")
        source, target = body, changed
        for parent in parents:
            source = source.get(parent, {})
            target = target.setdefault(parent, {}) if source else target.get(parent, {})
        if last in source:
            target[last] = source[last]
        else:
            target.pop(last, None)
    return changed


def operation(api: str, resource: Json, **metadata: Any) -> Json:
    parent = resource["name"].rsplit("/", 2)[0]
    if api == "firestore":
        parent = "/".join(resource["name"].split("/")[:4])
    name = f"{parent}/operations/done"
    return {"name": name, "done": True, "response": resource, "metadata": metadata}


for (_api, _path), _id in COLLECTIONS.items():
    _collection(_api, _path, _id)
