"""The recorder's model of Cloud Run: jobs, executions, services, revisions and traffic."""

from copy import deepcopy
from typing import Any

from tests.servers.gcloud_apis import ApiRequest, Cloud, Json, Refusal, route

JOBS = r"/apis/run.googleapis.com/v1/(?P<parent>namespaces/[^/]+/jobs)"
SERVICES = r"/apis/serving.knative.dev/v1/(?P<parent>namespaces/[^/]+/services)"
NAME = r"/(?P<name>[^/:]+)"


@route("POST", "run", JOBS)
@route("POST", "run", SERVICES)
def create(cloud: Cloud, request: ApiRequest, parent: str) -> Json:
    name = f"{parent}/{request.body['metadata']['name']}"
    return _stored(cloud, request, name, cloud.add(f"run:{name}", deepcopy(request.body)))


@route("PUT", "run", JOBS + NAME)
@route("PUT", "run", SERVICES + NAME)
def replace(cloud: Cloud, request: ApiRequest, parent: str, name: str) -> Json:
    full_name = f"{parent}/{name}"
    was = cloud.get(f"run:{full_name}")
    cloud.check(f"run:{full_name}", request.body)
    return _stored(cloud, request, full_name, deepcopy(request.body), was)


@route("GET", "run", JOBS + NAME)
@route("GET", "run", SERVICES + NAME)
@route("GET", "run", r"/apis/serving.knative.dev/v1/(?P<parent>namespaces/[^/]+/revisions)" + NAME)
@route("GET", "run", r"/apis/run.googleapis.com/v1/(?P<parent>namespaces/[^/]+/executions)" + NAME)
def get(cloud: Cloud, request: ApiRequest, parent: str, name: str) -> Json:
    return cloud.get(f"run:{parent}/{name}")


@route("POST", "run", JOBS + NAME + ":run")
def execute(cloud: Cloud, request: ApiRequest, parent: str, name: str) -> Json:
    job = cloud.get(f"run:{parent}/{name}")
    execution = f"{name}-{cloud.next():05d}"
    why = cloud.unready.get(f"{name} execution")
    execution_json: Json = {
        "apiVersion": "run.googleapis.com/v1",
        "kind": "Execution",
        "metadata": {"name": execution, "namespace": cloud.project, "generation": 1},
        "spec": deepcopy(job["spec"]["template"]["spec"]),
        "status": {
            "conditions": [
                _condition("ResourcesAvailable"),
                _condition("Started"),
                _condition("Completed", why),
            ],
            "observedGeneration": 1,
            "startTime": "2026-01-01T00:00:00Z",
            "completionTime": "2026-01-01T00:00:01Z",
            **({"failedCount": 1} if why else {"succeededCount": 1}),
        },
    }
    namespace = parent.rsplit("/", 1)[0]
    cloud.resources[f"run:{namespace}/executions/{execution}"] = execution_json
    return execution_json


def _stored(
    cloud: Cloud, request: ApiRequest, name: str, body: Json, was: Json | None = None
) -> Json:
    """Store a job or a service with the fields that Cloud Run adds."""
    metadata = body["metadata"]
    metadata.setdefault("labels", {})
    metadata["labels"]["cloud.googleapis.com/location"] = request.region
    spec_was = was["spec"] if was else None
    generation = was["metadata"]["generation"] if was else 0
    metadata["generation"] = generation + (body["spec"] != spec_was)
    metadata["resourceVersion"] = f"v{metadata['generation']}"
    if body["kind"] == "Job":
        ready = [_condition("Ready")]
        body["status"] = {"conditions": ready, "observedGeneration": metadata["generation"]}
    else:
        body["status"] = _service_status(cloud, name, body, was)
    cloud.resources[f"run:{name}"] = body
    return body


def _service_status(cloud: Cloud, name: str, body: Json, was: Json | None) -> Json:
    service = body["metadata"]["name"]
    status = deepcopy(was["status"]) if was else {}
    why = None
    if was is None or body["spec"]["template"] != was["spec"]["template"]:
        why = cloud.unready.get(service)
        revision = _add_revision(cloud, name, body, why)
        status["latestCreatedRevisionName"] = revision
        if why is None:
            status["latestReadyRevisionName"] = revision
    body["spec"].setdefault("traffic", [{"latestRevision": True, "percent": 100}])
    status["observedGeneration"] = body["metadata"]["generation"]
    status["url"] = f"https://{service}-{cloud.number}.{_region(body)}.run.app"
    status["address"] = {"url": status["url"]}
    status["conditions"] = [
        _condition("Ready", why),
        _condition("ConfigurationsReady", why),
        _condition("RoutesReady"),
    ]
    if "latestReadyRevisionName" in status:
        status["traffic"] = _traffic(cloud, body, status)
    return status


def _region(body: Json) -> str:
    region: str = body["metadata"]["labels"]["cloud.googleapis.com/location"]
    return region


def _add_revision(cloud: Cloud, name: str, body: Json, why: str | None) -> str:
    namespace, service = name.rsplit("/", 2)[0], body["metadata"]["name"]
    template = deepcopy(body["spec"]["template"])
    metadata = template.get("metadata", {})
    revision = str(metadata.get("name") or f"{service}-{cloud.next():05d}-abc")
    key = f"run:{namespace}/revisions/{revision}"
    if key in cloud.resources:
        raise Refusal(409, f"Revision {revision} exists with another configuration")
    cloud.resources[key] = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Revision",
        "metadata": {**metadata, "name": revision},
        "spec": template["spec"],
        "status": {"conditions": [_condition("Ready", why)]},
    }
    return revision


def _traffic(cloud: Cloud, body: Json, status: Json) -> list[Json]:
    """Return the traffic split; raise `Refusal` if it is invalid."""
    found: list[Json] = []
    for target in body["spec"]["traffic"]:
        revision = target.get("revisionName") or status["latestReadyRevisionName"]
        key = f"run:namespaces/{cloud.project}/revisions/{revision}"
        is_ready = cloud.get(key)["status"]["conditions"][0]["status"] == "True"
        if target.get("percent") and not is_ready:
            raise Refusal(400, f"Revision {revision} is not ready and cannot serve traffic")
        entry: dict[str, Any] = {**target, "revisionName": revision}
        if "tag" in target:
            entry["url"] = status["url"].replace("https://", f"https://{target['tag']}---")
        found.append(entry)
    if sum(target.get("percent", 0) for target in found) != 100:
        raise Refusal(400, "the percents of the traffic must add up to 100")
    tags = [target["tag"] for target in found if "tag" in target]
    if len(tags) != len(set(tags)):
        raise Refusal(400, f"tags {tags} are given twice")
    return found


def _condition(kind: str, why: str | None = None) -> Json:
    if why is None:
        return {"type": kind, "status": "True"}
    return {"type": kind, "status": "False", "reason": "Failed", "message": why}


@route("POST", "run", r"/v1/.+:testIamPermissions")
def may_set_policy(cloud: Cloud, request: ApiRequest) -> Json:
    return {"permissions": request.body["permissions"]}
