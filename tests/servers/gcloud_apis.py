"""What the recorder knows of Google's APIs: resources by name, policies, and the documented limits.

It is stricter than gcloud, which sends nearly everything: a binding for an account or to a resource
that does not exist, a queue beyond the limits, a job that names no secret are refused.
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
class Asked:
    """A request as it came."""

    method: str
    api: str
    region: str
    path: str
    query: dict[str, str]
    body: Any


class UnknownRequest(Exception):
    """No model answers this; whoever counts leaks wants to know."""


class Refusal(Exception):
    """An answer that is no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


Model = Callable[..., Any]
ROUTES: list[tuple[str, str, re.Pattern[str], Model]] = []


def route(method: str, api: str, path: str) -> Callable[[Model], Model]:
    """Register what answers the requests of one kind."""

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
    """Services, and jobs' executions, that do not come up, and why."""
    serial: int = 0
    has_billing: bool = True
    on_build: Callable[[Json], None] | None = None
    """Does a build; without it a build has succeeded at once."""

    def answer(self, asked: Asked) -> Any:
        """Return the answer, or raise `Refusal`; `UnknownRequest` if nothing knows it."""
        for method, api, path, model in ROUTES:
            found = path.fullmatch(asked.path)
            if method == asked.method and api in {asked.api, "*"} and found:
                return model(self, asked, **found.groupdict())
        raise UnknownRequest

    def get(self, key: str) -> Json:
        """Return a resource, or refuse."""
        if key not in self.resources:
            raise Refusal(404, f"{key} was not found")
        return self.resources[key]

    def find(self, ending: str) -> Json:
        """Return the one resource whose name ends like this."""
        (key,) = [key for key in self.resources if key.endswith(ending)]
        return self.resources[key]

    def add(self, key: str, body: Json) -> Json:
        """Keep a new resource, or refuse."""
        if key in self.resources:
            raise Refusal(409, f"{key} already exists")
        self.check(key, body)
        self.resources[key] = body
        return body

    def check(self, key: str, body: Json) -> None:
        """Refuse what the service would."""
        problem = check(key, body, is_there=self.is_there)
        if problem:
            raise Refusal(400, f"{key}: {problem}")

    def is_there(self, ending: str) -> bool:
        """Tell whether a resource has a name that ends like this."""
        return any(key.endswith(ending) for key in self.resources)

    def next(self) -> int:
        """Return a number that was not used before."""
        self.serial += 1
        return self.serial

    def holders(self, ending: str) -> dict[str, set[str]]:
        """Return who has each role on the resource whose name ends like this."""
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
def get_policy(cloud: Cloud, asked: Asked, path: str) -> Json:
    key = _policy_key(cloud, asked, path)
    bindings = deepcopy(cloud.policies.get(key, []))
    return {"version": 1, "etag": _etag(bindings), "bindings": bindings}


@route("POST", "*", r"(?P<path>/.*):setIamPolicy")
@route("PUT", "storage", r"(?P<path>/storage/v1/b/[^/]+)/iam")
def set_policy(cloud: Cloud, asked: Asked, path: str) -> Json:
    key = _policy_key(cloud, asked, path)
    policy = asked.body.get("policy", asked.body)
    if policy.get("etag") != _etag(cloud.policies.get(key, [])):
        refuse(409, "the policy has changed since it was read")
    for binding in policy.get("bindings", []):
        _check_binding(cloud, key, binding)
    cloud.policies[key] = policy.get("bindings", [])
    return {**policy, "etag": _etag(cloud.policies[key])}


def _policy_key(cloud: Cloud, asked: Asked, path: str) -> str:
    """Return the key of the resource whose policy is meant; it must be there."""
    name = re.sub(r"^/(storage/)?v\d\w*/", "", path)
    if asked.api == "cloudresourcemanager":
        return f"project:{cloud.project}"
    if asked.api == "run":
        project, kind, name = re.fullmatch(
            r"projects/([^/]+)/locations/[^/]+/(\w+)/(.+)", name
        ).groups()  # type: ignore[union-attr]  # gcloud knows its paths
        name = f"namespaces/{project}/{kind}/{name}"
    cloud.get(f"{asked.api}:{name}")
    return f"{asked.api}:{name}"


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


# What is made by POST, read by GET and changed by PATCH

COLLECTIONS = {
    ("cloudtasks", r"/v2\w*/(?P<parent>projects/[^/]+/locations/[^/]+/queues)"): "name",
    ("cloudscheduler", r"/v1/(?P<parent>projects/[^/]+/locations/[^/]+/jobs)"): "name",
    ("secretmanager", r"/v1/(?P<parent>projects/[^/]+/secrets)"): "secretId",
    ("artifactregistry", r"/v1/(?P<parent>projects/[^/]+/locations/[^/]+/repositories)"): (
        "repositoryId"
    ),
    ("firestore", r"/v1/(?P<parent>projects/[^/]+/databases)"): "databaseId",
}
AT_LENGTH = {"artifactregistry", "firestore"}
"""These answer a change with an operation."""


def _collection(api: str, path: str, id_name: str) -> None:
    @route("POST", api, path)
    def create(cloud: Cloud, asked: Asked, parent: str) -> Json:
        body = asked.body
        name = body["name"] if id_name == "name" else f"{parent}/{asked.query[id_name]}"
        made = cloud.add(f"{api}:{name}", {**body, "name": name})
        return operation(api, made) if api in AT_LENGTH else made

    @route("GET", api, path + r"/(?P<name>[^/:]+)")
    def get(cloud: Cloud, asked: Asked, parent: str, name: str) -> Json:
        return cloud.get(f"{api}:{parent}/{name}")

    @route("PATCH", api, path + r"/(?P<name>[^/:]+)")
    def patch(cloud: Cloud, asked: Asked, parent: str, name: str) -> Json:
        key = f"{api}:{parent}/{name}"
        changed = _masked(cloud.get(key), asked.body, asked.query["updateMask"])
        cloud.check(key, changed)
        cloud.resources[key] = changed
        return changed


def _masked(was: Json, body: Json, mask: str) -> Json:
    """Return a resource with the named fields of a body, and no others, in it."""
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
