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

from tests.gcloud_limits import ROLES, check, is_on

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
    on_build: Callable[[Json], None] | None = None
    """Does a build; without it a build has succeeded at once."""

    def answer(self, asked: Asked) -> Any:
        """Return the answer, or raise `Refusal`; `NotImplementedError` if nothing knows it."""
        for method, api, path, model in ROUTES:
            found = path.fullmatch(asked.path)
            if method == asked.method and api in {asked.api, "*"} and found:
                return model(self, asked, **found.groupdict())
        raise NotImplementedError

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


def _refuse(status: int, message: str) -> NoReturn:
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
        _refuse(409, "the policy has changed since it was read")
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
        _refuse(400, f"Role {role} is not supported")
    if not is_on(role, key):
        _refuse(400, f"Role {role} is not supported on {key}")
    for member in binding["members"]:
        kind, _, address = member.partition(":")
        if kind == "serviceAccount" and not cloud.is_there(f"/serviceAccounts/{address}"):
            _refuse(400, f"Service account {address} does not exist")


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
        return _operation(api, made) if api in AT_LENGTH else made

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


def _operation(api: str, resource: Json, **metadata: Any) -> Json:
    parent = resource["name"].rsplit("/", 2)[0]
    if api == "firestore":
        parent = "/".join(resource["name"].split("/")[:4])
    name = f"{parent}/operations/done"
    return {"name": name, "done": True, "response": resource, "metadata": metadata}


for (_api, _path), _id in COLLECTIONS.items():
    _collection(_api, _path, _id)


# Each API's own ways


@route("POST", "serviceusage", r"/v1/projects/[^/]+/services:batchEnable")
def enable(cloud: Cloud, asked: Asked) -> Json:
    for service in asked.body["serviceIds"]:
        cloud.resources.setdefault(f"serviceusage:{service}", {"state": "ENABLED"})
    return {"name": "operations/acat.enabled", "done": True, "response": {}}


@route("GET", "serviceusage", r"/v1/projects/[^/]+/services/(?P<service>[^/]+)")
def service_state(cloud: Cloud, asked: Asked, service: str) -> Json:
    return cloud.resources.get(f"serviceusage:{service}", {"state": "DISABLED"})


@route("GET", "cloudresourcemanager", r"/v1/projects/(?P<project>[^/:]+)")
def project(cloud: Cloud, asked: Asked, project: str) -> Json:
    return {"projectId": project, "projectNumber": cloud.number, "lifecycleState": "ACTIVE"}


@route("POST", "iam", r"/v1/(?P<parent>projects/[^/]+/serviceAccounts)")
def create_account(cloud: Cloud, asked: Asked, parent: str) -> Json:
    email = f"{asked.body['accountId']}@{cloud.project}.iam.gserviceaccount.com"
    name = f"{parent}/{email}"
    return cloud.add(f"iam:{name}", {**asked.body["serviceAccount"], "name": name, "email": email})


@route("GET", "iam", r"/v1/(?P<name>projects/[^/]+/serviceAccounts/[^/:]+)")
def get_account(cloud: Cloud, asked: Asked, name: str) -> Json:
    return cloud.get(f"iam:{name.replace('projects/-/', f'projects/{cloud.project}/')}")


@route("POST", "secretmanager", r"/v1/(?P<name>projects/[^/]+/secrets/[^/:]+):addVersion")
def add_version(cloud: Cloud, asked: Asked, name: str) -> Json:
    cloud.get(f"secretmanager:{name}")
    count = sum(key.startswith(f"secretmanager:{name}/versions/") for key in cloud.resources)
    full_name = f"{name}/versions/{count + 1}"
    data = base64.b64decode(asked.body["payload"]["data"]).decode()
    cloud.add(f"secretmanager:{full_name}", {"name": full_name, "data": data})
    return {"name": full_name, "clientSpecifiedPayloadChecksum": True, "state": "ENABLED"}


@route("GET", "secretmanager", r"/v1/(?P<name>projects/[^/]+/secrets/[^/]+/versions/)latest")
def latest_version(cloud: Cloud, asked: Asked, name: str) -> Json:
    versions = [key for key in cloud.resources if key.startswith(f"secretmanager:{name}")]
    if not versions:
        _refuse(404, f"Secret Version [{name}latest] not found")
    return {"name": cloud.resources[versions[-1]]["name"], "state": "ENABLED"}


@route("POST", "storage", r"/storage/v1/b")
def create_bucket(cloud: Cloud, asked: Asked) -> Json:
    return cloud.add(f"storage:b/{asked.body['name']}", {**asked.body, "kind": "storage#bucket"})


@route("GET", "storage", r"/storage/v1/b/(?P<name>[^/]+)")
def get_bucket(cloud: Cloud, asked: Asked, name: str) -> Json:
    return cloud.get(f"storage:b/{name}")


@route("PATCH", "storage", r"/storage/v1/b/(?P<name>[^/]+)")
def patch_bucket(cloud: Cloud, asked: Asked, name: str) -> Json:
    bucket = cloud.get(f"storage:b/{name}")
    bucket.update({key: value for key, value in asked.body.items() if value is not None})
    return bucket


@route("POST", "storage", r"/(?:resumable/)?upload/storage/v1/b/(?P<bucket>[^/]+)/o")
def upload(cloud: Cloud, asked: Asked, bucket: str) -> Json:
    cloud.get(f"storage:b/{bucket}")
    head, _, rest = asked.body.partition(b"\r\n\r\n" if b"\r\n\r\n" in asked.body else b"\n\n")
    found = re.search(rb'"name": ?"([^"]+)"', asked.body)
    name = asked.query.get("name") or (found[1].decode() if found else "source")
    return {
        "bucket": bucket,
        "name": name,
        "size": str(_sent_bytes(asked.body)),
        "generation": "1",
        "kind": "storage#object",
        "mediaLink": f"http://storage.googleapis.com/download/{bucket}/{name}",
    }


def _sent_bytes(multipart: bytes) -> int:
    """Return the size of the file in a multipart upload, its last part."""
    boundary = multipart.split(b"\n", 1)[0].strip()
    part = multipart.split(boundary)[-2]
    return len(
        re.split(rb"\r?\n\r?\n", part, maxsplit=1)[1].removesuffix(b"\n").removesuffix(b"\r")
    )


@route("POST", "firestore", r"/v1/(?P<parent>projects/.+/collectionGroups/[^/]+/indexes)")
def create_index(cloud: Cloud, asked: Asked, parent: str) -> Json:
    cloud.get(f"firestore:{parent.split('/collectionGroups', maxsplit=1)[0]}")
    same = [
        key
        for key, body in cloud.resources.items()
        if key.startswith(f"firestore:{parent}/") and body["fields"] == asked.body["fields"]
    ]
    if same:
        _refuse(409, "index already exists")
    name = f"{parent}/index-{cloud.next()}"
    made = cloud.add(f"firestore:{name}", {**asked.body, "name": name})
    return _operation("firestore", made, index=name)


@route("GET", "firestore", r"/v1/(?P<parent>projects/.+)/collectionGroups/-/(?P<kind>\w+)")
def list_indexes(cloud: Cloud, asked: Asked, parent: str, kind: str) -> Json:
    pattern = re.compile(rf"firestore:{re.escape(parent)}/collectionGroups/[^/]+/{kind}/.+")
    return {kind: [body for key, body in cloud.resources.items() if pattern.fullmatch(key)]}


@route("PATCH", "firestore", r"/v1/(?P<name>projects/.+/collectionGroups/[^/]+/fields/[^/]+)")
def patch_field(cloud: Cloud, asked: Asked, name: str) -> Json:
    cloud.get(f"firestore:{name.split('/collectionGroups', maxsplit=1)[0]}")
    cloud.resources[f"firestore:{name}"] = {**asked.body, "name": name}
    return _operation("firestore", cloud.resources[f"firestore:{name}"], field=name)


@route("POST", "firebaserules", r"/v1/(?P<parent>projects/[^/]+/rulesets)")
def create_ruleset(cloud: Cloud, asked: Asked, parent: str) -> Json:
    name = f"{parent}/{cloud.next()}"
    return cloud.add(f"firebaserules:{name}", {**asked.body, "name": name})


@route("POST", "firebaserules", r"/v1/projects/[^/]+/releases")
def create_release(cloud: Cloud, asked: Asked) -> Json:
    cloud.get(f"firebaserules:{asked.body['rulesetName']}")
    return cloud.add(f"firebaserules:{asked.body['name']}", asked.body)


@route("GET", "firebaserules", r"/v1/(?P<name>projects/[^/]+/(?:releases|rulesets)/.+)")
def get_rules(cloud: Cloud, asked: Asked, name: str) -> Json:
    return cloud.get(f"firebaserules:{name}")


@route("PATCH", "firebaserules", r"/v1/(?P<name>projects/[^/]+/releases/.+)")
def patch_release(cloud: Cloud, asked: Asked, name: str) -> Json:
    release = cloud.get(f"firebaserules:{name}")
    release["rulesetName"] = cloud.get(f"firebaserules:{asked.body['release']['rulesetName']}")[
        "name"
    ]
    return release


@route("POST", "cloudbuild", r"/v1/(?P<parent>projects/[^/]+/locations/[^/]+)/builds")
def create_build(cloud: Cloud, asked: Asked, parent: str) -> Json:
    key = f"cloudbuild:{parent}/builds/{cloud.next()}"
    build = cloud.add(key, {**asked.body, "id": key.rsplit("/", 1)[-1], "status": "SUCCESS"})
    build |= {"name": key.partition(":")[2], "projectId": cloud.project}
    if cloud.on_build:
        build["status"] = "WORKING"
        cloud.on_build(build)
    kind = "type.googleapis.com/google.devtools.cloudbuild.v1.BuildOperationMetadata"
    name = f"operations/build/{cloud.project}/{build['id']}"
    return {"name": name, "metadata": {"@type": kind, "build": build}}


@route("GET", "cloudbuild", r"/v1/(?P<name>projects/[^/]+/locations/[^/]+/builds/[^/]+)")
def get_build(cloud: Cloud, asked: Asked, name: str) -> Json:
    return cloud.get(f"cloudbuild:{name}")
