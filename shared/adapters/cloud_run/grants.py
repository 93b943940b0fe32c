"""IAM checks for `phoenix doctor`: reading a queue or a job proves no right to use it.

https://cloud.google.com/iam/docs/testing-permissions
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.domain.errors import QueueUnavailable
from shared.domain.kind import Kind
from shared.once import Once

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession

TIMEOUT_S = 10
TASKS_URL = "https://cloudtasks.googleapis.com"
IAM_URL = "https://iam.googleapis.com"
RUN_URL = "https://run.googleapis.com"
EXECUTOR = "roles/run.jobsExecutorWithOverrides"


@dataclass(kw_only=True, eq=False)
class GoogleGrants:
    """Checks this process and the service account `invoker`."""

    project: str
    region: str
    invoker: str
    endpoint: str | None = None
    """Replaces Google's URLs."""

    def __post_init__(self) -> None:
        self._location = f"projects/{self.project}/locations/{self.region}"
        self._session = Once(self._connect)

    def close(self) -> None:
        self._session.close(lambda session: session.close())  # type: ignore[no-untyped-call]  # no types

    def check_task(self, kind: Kind) -> None:
        """Raise `QueueUnavailable` if this process may not manage tasks that act as the invoker."""
        queue = f"/v2/{self._location}/queues/{kind}-generation-queue"
        invoker = f"/v1/projects/-/serviceAccounts/{self.invoker}"
        self._check(TASKS_URL, queue, "cloudtasks.tasks.create")
        self._check(TASKS_URL, queue, "cloudtasks.tasks.delete")
        self._check(IAM_URL, invoker, "iam.serviceAccounts.actAs")

    def check_start(self, kind: Kind) -> None:
        """Raise `QueueUnavailable` if the job's own policy does not let the invoker start it."""
        path = f"/v2/{self._location}/jobs/{kind}-generation-job:getIamPolicy"
        bindings = self._request("GET", RUN_URL + path).get("bindings", [])
        member = f"serviceAccount:{self.invoker}"
        if not any(each["role"] == EXECUTOR and member in each["members"] for each in bindings):
            raise QueueUnavailable(reason=f"{self.invoker} has no {EXECUTOR} on the job")

    def _check(self, api: str, resource: str, permission: str) -> None:
        body = {"permissions": [permission]}
        granted = self._request("POST", f"{api}{resource}:testIamPermissions", body)
        if permission not in granted.get("permissions", []):
            raise QueueUnavailable(reason=f"no {permission} on {resource.rpartition('/')[2]}")

    def _request(
        self, method: str, url: str, body: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        from google.auth.exceptions import GoogleAuthError
        from requests import RequestException

        if self.endpoint is not None:
            url = self.endpoint + "/" + url.split("/", 3)[3]
        try:
            response = self._session().request(  # type: ignore[no-untyped-call]  # no types
                method, url, json=body, timeout=TIMEOUT_S, max_allowed_time=TIMEOUT_S
            )
            response.raise_for_status()
            found: dict[str, Any] = response.json()
        except (GoogleAuthError, RequestException) as error:
            raise QueueUnavailable(reason=str(error)) from error
        return found

    def _connect(self) -> "AuthorizedSession":
        import google.auth
        from google.auth.transport.requests import AuthorizedSession
        from google.oauth2.credentials import Credentials

        if self.endpoint is None:
            scope = "https://www.googleapis.com/auth/cloud-platform"
            credentials, _ = google.auth.default(scopes=[scope])
        else:
            credentials = Credentials(token="owner")  # type: ignore[no-untyped-call]  # noqa: S106 (no secret)
        return AuthorizedSession(credentials, max_refresh_attempts=0)  # type: ignore[no-untyped-call]  # no types
