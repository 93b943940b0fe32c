"""Release the Firestore rules of a file, unless they are already active.

gcloud has no command for rules, so this calls the Firebase Rules API with gcloud's access token.
https://firebase.google.com/docs/reference/rules/rest
"""

import argparse
import os
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

import httpx

RULES_API = "https://firebaserules.googleapis.com/"
OVERRIDE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_FIREBASERULES"
"""Another address of the API, named as gcloud names those of its own APIs."""
TIMEOUT_S = 30


def release(api: httpx.Client, *, project: str, name: str, source: str) -> bool:
    """Activate these rules; return whether they replaced others."""
    full_name = f"projects/{project}/releases/{name}"
    current = api.get(f"v1/{full_name}")
    is_new = current.status_code == HTTPStatus.NOT_FOUND
    if not is_new:
        current.raise_for_status()
        ruleset = api.get(f"v1/{current.json()['rulesetName']}").raise_for_status().json()
        if ruleset["source"]["files"][0]["content"] == source:
            return False
    body = {"source": {"files": [{"name": "firestore.rules", "content": source}]}}
    created = api.post(f"v1/projects/{project}/rulesets", json=body).raise_for_status().json()
    pointer = {"name": full_name, "rulesetName": created["name"]}
    if is_new:
        api.post(f"v1/projects/{project}/releases", json=pointer).raise_for_status()
    else:
        api.patch(f"v1/{full_name}", json={"release": pointer}).raise_for_status()
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--project", required=True)
    parser.add_argument("--database", required=True)
    arguments = parser.parse_args()
    is_default = arguments.database == "(default)"
    name = "cloud.firestore" if is_default else f"cloud.firestore/{arguments.database}"
    try:
        command = ["gcloud", "auth", "print-access-token"]
        token = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 (no shell)
        with httpx.Client(
            base_url=os.environ.get(OVERRIDE, RULES_API),
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
        ) as api:
            source = arguments.file.read_text()
            is_changed = release(api, project=arguments.project, name=name, source=source)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip()
        sys.exit(f"gcloud returned no access token: run `gcloud auth login` ({reason})")
    except httpx.HTTPStatusError as error:
        sys.exit(
            f"The Firebase Rules API answered {error.response.status_code} for "
            f"{arguments.project}: this account needs roles/firebaserules.admin, and the API "
            "firebaserules.googleapis.com must be enabled"
        )
    except httpx.TransportError as error:
        sys.exit(f"The Firebase Rules API cannot be reached: {error}")
    print("released" if is_changed else "these rules are already active")  # noqa: T201 (what it did)


if __name__ == "__main__":
    main()
