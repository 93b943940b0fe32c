"""The adapters of an installation in Google Cloud, with its files in R2."""

from shared.adapters.cloud_run.grants import GoogleGrants
from shared.adapters.system.clock import SystemClock, SystemIds
from shared.domain.kind import Kind
from shared.settings import GCPBackend
from shared.telemetry import traceparent
from shared.wiring.generators import GoogleGenerators
from shared.wiring.ports import Ports


def gcp_ports(backend: GCPBackend, *, makes: Kind | None) -> Ports:
    """Return the adapters; each imports its vendor when a process first uses it."""
    from shared.adapters.cloud_run.executions import CloudRunExecutions
    from shared.adapters.cloud_tasks.task_queue import RUN_URL, CloudTasksQueue
    from shared.adapters.firebase.identity import FirebaseIdentity
    from shared.adapters.firebase.service_identity import GoogleServiceIdentity
    from shared.adapters.firestore.store import FirestoreStore
    from shared.adapters.r2.media_store import R2MediaStore

    clock, endpoints = SystemClock(), backend.endpoints
    generators = GoogleGenerators(backend, clock)
    generators.check(makes)
    project, region, invoker = backend.project, backend.region, backend.tasks_invoker
    store = FirestoreStore(project, database=backend.database, prefix=backend.collection_prefix)
    queue = CloudTasksQueue(
        project=project,
        region=region,
        invoker=invoker,
        traceparent=traceparent,
        run_url=endpoints.run or RUN_URL,
        emulator_host=_host(endpoints.tasks),
    )
    run_host = _host(endpoints.run)
    executions = CloudRunExecutions(project=project, region=region, emulator_host=run_host)
    media = R2MediaStore(**vars(backend.r2))
    grants = GoogleGrants(project=project, region=region, invoker=invoker, endpoint=endpoints.run)

    def close() -> None:
        for port in (store, queue, executions, media, grants):
            port.close()

    return Ports(
        store=store,
        queue=queue,
        media=media,
        executions=executions,
        identity=FirebaseIdentity(project, clock=clock, endpoint=endpoints.identity),
        service_identity=GoogleServiceIdentity(
            audience=backend.internal_audience,
            accounts=backend.internal_accounts,
            clock=clock,
            endpoint=endpoints.identity,
        ),
        clock=clock,
        ids=SystemIds(),
        generator=generators.open,
        close=close,
        price_usd=generators.price_usd,
        welcome_key=backend.welcome_key.encode(),
        grants=grants,
    )


def _host(endpoint: str | None) -> str | None:
    """Return the host and port of a fake endpoint, as gRPC expects them."""
    return endpoint.removeprefix("http://") if endpoint else None
