"""An installation in Google Cloud, with its files in R2."""

from typing import TYPE_CHECKING

from shared.adapters.cloud_run.grants import GoogleGrants
from shared.adapters.system.clock import SystemClock, SystemIds
from shared.domain.kind import Kind
from shared.settings.backends import GCPBackend, R2Buckets
from shared.telemetry import traceparent
from shared.wiring.generators import check_models, google_generator, price_usd
from shared.wiring.ports import Ports

if TYPE_CHECKING:  # each vendor is imported by the process that first needs it
    from shared.adapters.r2.media_store import R2MediaStore


def gcp_ports(backend: GCPBackend, *, makes: Kind | None) -> Ports:
    """Return the adapters; each vendor is imported by the process that first needs it."""
    from shared.adapters.cloud_run.executions import CloudRunExecutions
    from shared.adapters.cloud_tasks.task_queue import RUN_URL, CloudTasksQueue
    from shared.adapters.firebase.identity import FirebaseIdentity
    from shared.adapters.firebase.service_identity import GoogleServiceIdentity
    from shared.adapters.firestore.raw_documents import FirestoreRawDocuments
    from shared.adapters.firestore.store import FirestoreStore

    clock, endpoints = SystemClock(), backend.endpoints
    check_models(backend, makes=makes, today=clock.now().date())
    database, prefix = backend.database, backend.collection_prefix
    store = FirestoreStore(backend.project, database=database, prefix=prefix)
    queue = CloudTasksQueue(
        project=backend.project,
        region=backend.region,
        invoker=backend.tasks_invoker,
        traceparent=traceparent,
        run_url=endpoints.run or RUN_URL,
        emulator_host=_host(endpoints.tasks),
    )
    executions = CloudRunExecutions(
        project=backend.project, region=backend.region, emulator_host=_host(endpoints.run)
    )
    grants = _grants(backend)
    media = _media(backend.r2)

    def close() -> None:
        for port in (store, queue, executions, media, grants):
            port.close()

    return Ports(
        store=store,
        queue=queue,
        media=media,
        executions=executions,
        identity=FirebaseIdentity(backend.project, clock=clock, endpoint=endpoints.identity),
        service_identity=GoogleServiceIdentity(
            audience=backend.internal_audience,
            accounts=backend.internal_accounts,
            clock=clock,
            endpoint=endpoints.identity,
        ),
        clock=clock,
        ids=SystemIds(),
        generator=lambda kind: google_generator(backend, kind, today=clock.now().date()),
        raw_documents=lambda: FirestoreRawDocuments(
            backend.project, database=database, prefix=prefix
        ),
        close=close,
        price_usd=lambda kind: price_usd(backend, kind, today=clock.now().date()),
        welcome_key=backend.welcome_key.encode(),
        grants=grants,
    )


def _media(r2: R2Buckets) -> "R2MediaStore":
    from shared.adapters.r2.media_store import R2MediaStore

    return R2MediaStore(
        endpoint_url=r2.endpoint_url,
        access_key_id=r2.access_key_id,
        secret_access_key=r2.secret_access_key,
        drafts_bucket=r2.drafts_bucket,
        public_bucket=r2.public_bucket,
        public_url=r2.public_url,
    )


def _grants(backend: GCPBackend) -> GoogleGrants:
    return GoogleGrants(
        project=backend.project,
        region=backend.region,
        invoker=backend.tasks_invoker,
        endpoint=backend.endpoints.run,
    )


def _host(endpoint: str | None) -> str | None:
    """Return the host and port of a server on this machine, as gRPC wants them."""
    return endpoint.removeprefix("http://") if endpoint else None
