"""The settings of a process that uses the local servers instead of Google's."""

from tests.servers.certificate_server import AUDIENCE, SCHEDULER, CertificateServer
from tests.servers.cloud_tasks_server import CloudTasksServer
from tests.servers.run_admin_server import INVOKER, PROJECT, REGION
from tests.support.environments import GCP


def google_settings(google: CertificateServer, tasks: CloudTasksServer) -> dict[str, str]:
    return {
        **GCP,
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "PHOENIX_REGION": REGION,
        "PHOENIX_TASKS_INVOKER": INVOKER,
        "PHOENIX_INTERNAL_AUDIENCE": AUDIENCE,
        "PHOENIX_INTERNAL_ACCOUNTS": SCHEDULER,
        "PHOENIX_IDENTITY_ENDPOINT": google.base_url,
        "PHOENIX_TASKS_ENDPOINT": f"http://{tasks.host}",
    }
