"""The recorder's models of single APIs: accounts, secrets, buckets, indexes, builds."""

import base64
import re

from tests.servers.gcloud_apis import ApiRequest, Cloud, Json, operation, refuse, route


@route("POST", "serviceusage", r"/v1/projects/[^/]+/services:batchEnable")
def enable(cloud: Cloud, request: ApiRequest) -> Json:
    for service in request.body["serviceIds"]:
        cloud.resources.setdefault(f"serviceusage:{service}", {"state": "ENABLED"})
    return {"name": "operations/acat.enabled", "done": True, "response": {}}


@route("GET", "serviceusage", r"/v1/projects/[^/]+/services/(?P<service>[^/]+)")
def service_state(cloud: Cloud, request: ApiRequest, service: str) -> Json:
    return cloud.resources.get(f"serviceusage:{service}", {"state": "DISABLED"})


@route("GET", "cloudresourcemanager", r"/v1/projects/(?P<project>[^/:]+)")
def project(cloud: Cloud, request: ApiRequest, project: str) -> Json:
    if project != cloud.project:
        refuse(403, f"The caller does not have permission on {project}, or it may not exist")
    return {"projectId": project, "projectNumber": cloud.number, "lifecycleState": "ACTIVE"}


@route("GET", "cloudbilling", r"/v1/projects/(?P<project>[^/]+)/billingInfo")
def billing(cloud: Cloud, request: ApiRequest, project: str) -> Json:
    return {"projectId": project, "billingEnabled": cloud.has_billing}


@route("POST", "iam", r"/v1/(?P<parent>projects/[^/]+/serviceAccounts)")
def create_account(cloud: Cloud, request: ApiRequest, parent: str) -> Json:
    email = f"{request.body['accountId']}@{cloud.project}.iam.gserviceaccount.com"
    name = f"{parent}/{email}"
    return cloud.add(
        f"iam:{name}", {**request.body["serviceAccount"], "name": name, "email": email}
    )


@route("GET", "iam", r"/v1/(?P<name>projects/[^/]+/serviceAccounts/[^/:]+)")
def get_account(cloud: Cloud, request: ApiRequest, name: str) -> Json:
    return cloud.get(f"iam:{name.replace('projects/-/', f'projects/{cloud.project}/')}")


@route("POST", "secretmanager", r"/v1/(?P<name>projects/[^/]+/secrets/[^/:]+):addVersion")
def add_version(cloud: Cloud, request: ApiRequest, name: str) -> Json:
    cloud.get(f"secretmanager:{name}")
    count = sum(key.startswith(f"secretmanager:{name}/versions/") for key in cloud.resources)
    full_name = f"{name}/versions/{count + 1}"
    data = base64.b64decode(request.body["payload"]["data"]).decode()
    cloud.add(f"secretmanager:{full_name}", {"name": full_name, "data": data})
    return {"name": full_name, "clientSpecifiedPayloadChecksum": True, "state": "ENABLED"}


@route("GET", "secretmanager", r"/v1/(?P<name>projects/[^/]+/secrets/[^/]+/versions/)latest")
def latest_version(cloud: Cloud, request: ApiRequest, name: str) -> Json:
    versions = [key for key in cloud.resources if key.startswith(f"secretmanager:{name}")]
    if not versions:
        refuse(404, f"Secret Version [{name}latest] not found")
    return {"name": cloud.resources[versions[-1]]["name"], "state": "ENABLED"}


@route("POST", "storage", r"/storage/v1/b")
def create_bucket(cloud: Cloud, request: ApiRequest) -> Json:
    return cloud.add(
        f"storage:b/{request.body['name']}", {**request.body, "kind": "storage#bucket"}
    )


@route("GET", "storage", r"/storage/v1/b/(?P<name>[^/]+)")
def get_bucket(cloud: Cloud, request: ApiRequest, name: str) -> Json:
    return cloud.get(f"storage:b/{name}")


@route("PATCH", "storage", r"/storage/v1/b/(?P<name>[^/]+)")
def patch_bucket(cloud: Cloud, request: ApiRequest, name: str) -> Json:
    bucket = cloud.get(f"storage:b/{name}")
    bucket.update({key: value for key, value in request.body.items() if value is not None})
    return bucket


@route("POST", "storage", r"/(?:resumable/)?upload/storage/v1/b/(?P<bucket>[^/]+)/o")
def upload(cloud: Cloud, request: ApiRequest, bucket: str) -> Json:
    cloud.get(f"storage:b/{bucket}")
    found = re.search(rb'"name": ?"([^"]+)"', request.body)
    name = request.query.get("name") or (found[1].decode() if found else "source")
    return {
        "bucket": bucket,
        "name": name,
        "size": str(_sent_bytes(request.body)),
        "generation": "1",
        "kind": "storage#object",
        "mediaLink": f"http://storage.googleapis.com/download/{bucket}/{name}",
    }


def _sent_bytes(multipart: bytes) -> int:
    """Return the size of the last part of a multipart upload."""
    boundary = multipart.split(b"\n", 1)[0].strip()
    part = multipart.split(boundary)[-2]
    return len(
        re.split(rb"\r?\n\r?\n", part, maxsplit=1)[1].removesuffix(b"\n").removesuffix(b"\r")
    )


@route("POST", "firestore", r"/v1/(?P<parent>projects/.+/collectionGroups/[^/]+/indexes)")
def create_index(cloud: Cloud, request: ApiRequest, parent: str) -> Json:
    cloud.get(f"firestore:{parent.split('/collectionGroups', maxsplit=1)[0]}")
    same = [
        key
        for key, body in cloud.resources.items()
        if key.startswith(f"firestore:{parent}/") and body["fields"] == request.body["fields"]
    ]
    if same:
        refuse(409, "index already exists")
    name = f"{parent}/index-{cloud.next()}"
    made = cloud.add(f"firestore:{name}", {**request.body, "name": name})
    return operation("firestore", made, index=name)


@route("GET", "firestore", r"/v1/(?P<parent>projects/.+)/collectionGroups/-/(?P<kind>\w+)")
def list_indexes(cloud: Cloud, request: ApiRequest, parent: str, kind: str) -> Json:
    pattern = re.compile(rf"firestore:{re.escape(parent)}/collectionGroups/[^/]+/{kind}/.+")
    return {kind: [body for key, body in cloud.resources.items() if pattern.fullmatch(key)]}


@route("PATCH", "firestore", r"/v1/(?P<name>projects/.+/collectionGroups/[^/]+/fields/[^/]+)")
def patch_field(cloud: Cloud, request: ApiRequest, name: str) -> Json:
    cloud.get(f"firestore:{name.split('/collectionGroups', maxsplit=1)[0]}")
    cloud.resources[f"firestore:{name}"] = {**request.body, "name": name}
    return operation("firestore", cloud.resources[f"firestore:{name}"], field=name)


@route("POST", "firebaserules", r"/v1/(?P<parent>projects/[^/]+/rulesets)")
def create_ruleset(cloud: Cloud, request: ApiRequest, parent: str) -> Json:
    name = f"{parent}/{cloud.next()}"
    return cloud.add(f"firebaserules:{name}", {**request.body, "name": name})


@route("POST", "firebaserules", r"/v1/projects/[^/]+/releases")
def create_release(cloud: Cloud, request: ApiRequest) -> Json:
    cloud.get(f"firebaserules:{request.body['rulesetName']}")
    return cloud.add(f"firebaserules:{request.body['name']}", request.body)


@route("GET", "firebaserules", r"/v1/(?P<name>projects/[^/]+/(?:releases|rulesets)/.+)")
def get_rules(cloud: Cloud, request: ApiRequest, name: str) -> Json:
    return cloud.get(f"firebaserules:{name}")


@route("PATCH", "firebaserules", r"/v1/(?P<name>projects/[^/]+/releases/.+)")
def patch_release(cloud: Cloud, request: ApiRequest, name: str) -> Json:
    release = cloud.get(f"firebaserules:{name}")
    release["rulesetName"] = cloud.get(f"firebaserules:{request.body['release']['rulesetName']}")[
        "name"
    ]
    return release


@route("POST", "logging", r"/v2/(?P<parent>projects/[^/]+/metrics)")
def create_metric(cloud: Cloud, request: ApiRequest, parent: str) -> Json:
    return cloud.add(f"logging:{parent}/{request.body['name']}", request.body)


@route("GET", "logging", r"/v2/(?P<name>projects/[^/]+/metrics/[^/]+)")
def get_metric(cloud: Cloud, request: ApiRequest, name: str) -> Json:
    return cloud.get(f"logging:{name}")


@route("PUT", "logging", r"/v2/(?P<name>projects/[^/]+/metrics/[^/]+)")
def put_metric(cloud: Cloud, request: ApiRequest, name: str) -> Json:
    cloud.get(f"logging:{name}").update(request.body)
    return cloud.get(f"logging:{name}")


MONITORED = r"(?P<parent>projects/[^/]+/(?P<kind>alertPolicies|dashboards|notificationChannels))"


@route("POST", "monitoring", r"/v[13]/" + MONITORED)
def create_monitored(cloud: Cloud, request: ApiRequest, parent: str, kind: str) -> Json:
    name = f"{parent}/{cloud.next()}"
    return cloud.add(f"monitoring:{name}", {**request.body, "name": name})


@route("GET", "monitoring", r"/v[13]/" + MONITORED)
def list_monitored(cloud: Cloud, request: ApiRequest, parent: str, kind: str) -> Json:
    found = [
        body for key, body in cloud.resources.items() if key.startswith(f"monitoring:{parent}/")
    ]
    return {kind: found}


@route("PATCH", "monitoring", r"/v[13]/(?P<name>projects/[^/]+/(?:alertPolicies|dashboards)/[^/]+)")
def replace_monitored(cloud: Cloud, request: ApiRequest, name: str) -> Json:
    cloud.get(f"monitoring:{name}")
    cloud.check(f"monitoring:{name}", request.body)
    cloud.resources[f"monitoring:{name}"] = {**request.body, "name": name}
    return cloud.resources[f"monitoring:{name}"]


@route("POST", "cloudbuild", r"/v1/(?P<parent>projects/[^/]+/locations/[^/]+)/builds")
def create_build(cloud: Cloud, request: ApiRequest, parent: str) -> Json:
    key = f"cloudbuild:{parent}/builds/{cloud.next()}"
    build = cloud.add(key, {**request.body, "id": key.rsplit("/", 1)[-1], "status": "SUCCESS"})
    build |= {"name": key.partition(":")[2], "projectId": cloud.project}
    if cloud.on_build:
        build["status"] = "WORKING"
        cloud.on_build(build)
    kind = "type.googleapis.com/google.devtools.cloudbuild.v1.BuildOperationMetadata"
    name = f"operations/build/{cloud.project}/{build['id']}"
    return {"name": name, "metadata": {"@type": kind, "build": build}}


@route("GET", "cloudbuild", r"/v1/(?P<name>projects/[^/]+/locations/[^/]+/builds/[^/]+)")
def get_build(cloud: Cloud, request: ApiRequest, name: str) -> Json:
    return cloud.get(f"cloudbuild:{name}")
