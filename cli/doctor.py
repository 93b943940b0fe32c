"""`phoenix doctor`: check every service behind the ports, and print a remedy for each failure."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape

from shared.adapters.google_models.access import check_access
from shared.adapters.google_models.cards import retiring_soon
from shared.domain.errors import MediaUnavailable, Unavailable, WrongSetting
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.media import PUBLIC_PREFIX, MediaFormat
from shared.health import (
    PROBE,
    ProbeResult,
    probe_queries,
    probe_queue,
    probe_store,
    probe_withdrawal,
    run_probe,
)
from shared.lifecycle.statements import counted
from shared.settings import GCPBackend, GeminiAPI, LocalBackend, Settings
from shared.wiring import Phoenix, build
from shared.wiring.generators import GoogleGenerators
from shared.wiring.ports import Ports

FILE = b"a file of phoenix doctor"
FOLDER = "doctor/"
NAME_LENGTH = 16
LINK_LIFE = timedelta(minutes=5)
LINK_TIMEOUT_S = 10

R2_HINT = (
    "R2_SECRET_ACCESS_KEY comes from Secret Manager, "
    "where this service account needs roles/secretmanager.secretAccessor"
)
REMEDIES = {
    "start": "run as a service account, or sign in with `gcloud auth application-default login`",
    "store": "check that GOOGLE_CLOUD_PROJECT and PHOENIX_FIRESTORE_DATABASE name the database; "
    "grant this service account roles/datastore.user",
    "store queries": "grant this service account roles/datastore.user; run "
    "infrastructure/gcp/provision.sh, and wait until no index of "
    "`gcloud firestore indexes composite list` and `fields list` is CREATING",
    "queue": "check that GOOGLE_CLOUD_PROJECT and PHOENIX_REGION name the project and region of "
    "{kind}-generation-queue; grant this service account roles/cloudtasks.enqueuer, "
    "roles/cloudtasks.taskDeleter and roles/cloudtasks.viewer on it, "
    "and roles/iam.serviceAccountUser on PHOENIX_TASKS_INVOKER",
    "private files": "check that R2_ENDPOINT_URL and R2_DRAFTS_BUCKET_NAME name the bucket and "
    f"that the token of R2_ACCESS_KEY_ID has Object Read & Write on it; {R2_HINT}",
    "public files": "check that R2_BUCKET_NAME names the bucket, that R2_PUBLIC_URL is its public "
    f"domain and that the token of R2_ACCESS_KEY_ID has Object Read & Write on it; {R2_HINT}",
    "users": "allow this process to reach www.googleapis.com and identitytoolkit.googleapis.com; "
    "enable Firebase Authentication in GOOGLE_CLOUD_PROJECT and grant this service account "
    "roles/firebaseauth.viewer",
    "services": "allow this process to reach www.googleapis.com",
    "executions": "check that GOOGLE_CLOUD_PROJECT and PHOENIX_REGION name the project and region "
    "of the job {kind}-generation-job; grant this service account roles/run.viewer on the job, "
    "and PHOENIX_TASKS_INVOKER roles/run.jobsExecutorWithOverrides on it",
    "model": "set PHOENIX_{KIND}_MODEL for {kind}-generation-job, the API and this job: "
    "docs/operating.md, *Model retired*",
    "generator": "set PHOENIX_{KIND}_MODEL to a model that GOOGLE_CLOUD_PROJECT may use; grant "
    "this service account roles/aiplatform.user, "
    "and roles/storage.objectUser on PHOENIX_GENERATOR_BUCKET",
}
"""What to do in the cloud, by part."""
LOCAL_MODEL_REMEDY = (
    "check that this machine can reach Google and that GEMINI_API_KEY is a key of a project with "
    "billing that may use PHOENIX_{KIND}_MODEL; PHOENIX_GENERATOR=sample needs none of them"
)
LOCAL_REMEDY = "check that this user can write to PHOENIX_DATA ({data}) and that the disk has space"


@dataclass(frozen=True)
class Check:
    part: str
    run: Callable[[], object]
    kind: Kind | None = None

    @property
    def name(self) -> str:
        return f"{self.part}, {self.kind}s" if self.kind else self.part


def doctor(settings: Settings, out: Console, *, as_api: bool = False) -> int:
    """Build Phoenix and examine it; return the exit status."""
    try:
        phoenix = build(settings)
    except (OSError, Unavailable, WrongSetting) as error:
        if isinstance(error, WrongSetting) and isinstance(settings.backend, GCPBackend):
            raise
        start = Check("start", partial(build, settings))
        _print(out, settings, start, ProbeResult(took_s=0, error=error))
        return 1
    return examine(phoenix, out, as_api=as_api)


def examine(phoenix: Phoenix, out: Console, *, as_api: bool = False) -> int:
    """Print a line for each check and a remedy for each failure; return the exit status."""
    failure_count = 0
    for check in checks(phoenix, as_api=as_api):
        # Any error is a finding, and must not stop the other checks.
        result = run_probe(check.run, clock=phoenix.ports.clock, expecting=Exception)
        _print(out, phoenix.settings, check, result)
        failure_count += not result.is_ok
    out.print(f"{counted(failure_count, 'check')} failed" if failure_count else "All is well")
    return 1 if failure_count else 0


def checks(phoenix: Phoenix, *, as_api: bool = False) -> Iterator[Check]:
    """Yield a check for every service that a creation uses; for the API, without generators.

    Only jobs may call generators, and only their images contain the vendor's library.
    """
    ports, models = phoenix.ports, _models(phoenix.settings)
    yield Check("store", partial(probe_store, ports.store))
    yield Check("store queries", partial(probe_queries, ports.store, at=ports.clock.now()))
    yield from _for_each_kind("queue", partial(_check_queue, ports))
    yield Check("private files", partial(_check_files, phoenix, is_public=False))
    yield Check("public files", partial(_check_files, phoenix, is_public=True))
    yield Check("users", ports.identity.warm_up)
    yield Check("services", ports.service_identity.warm_up)
    yield from _for_each_kind("executions", partial(_check_job, ports))
    if models is not None:
        yield from _for_each_kind("model", partial(_check_model, phoenix, models))
    if not as_api:
        yield from _for_each_kind("generator", partial(_check_generator, phoenix))


def _for_each_kind(part: str, run: Callable[[Kind], object]) -> Iterator[Check]:
    for kind in Kind:
        yield Check(part, partial(run, kind), kind)


def _check_queue(ports: Ports, kind: Kind) -> None:
    """Read and withdraw a task that does not exist, and check the permission to create one."""
    probe_queue(ports.queue, kind)
    probe_withdrawal(ports.queue, kind)
    if ports.grants is not None:
        ports.grants.check_task(kind)


def _check_job(ports: Ports, kind: Kind) -> None:
    """Read an execution that does not exist, and check that a task may start one."""
    ports.executions.is_running(PROBE, kind=kind)
    if ports.grants is not None:
        ports.grants.check_start(kind)


def _check_files(phoenix: Phoenix, *, is_public: bool) -> None:
    """Write a private file, read it there or after publishing it, and delete it."""
    media = phoenix.ports.media
    key = f"{FOLDER}{phoenix.ports.ids.random_id(NAME_LENGTH)}.{MediaFormat.PNG}"
    public_key = PUBLIC_PREFIX + key
    read_key = public_key if is_public else key
    try:
        with tempfile.NamedTemporaryFile() as file:
            file.write(FILE)
            file.flush()
            media.put(Path(file.name), key, media_format=MediaFormat.PNG)
        if is_public:
            media.publish(key, public_key)
            link = media.public_link(public_key)
        else:
            link = media.private_link(key, expires_at=phoenix.ports.clock.now() + LINK_LIFE)
        _check_file(phoenix, read_key, link)
    finally:
        media.delete(key)
        if is_public:
            media.delete(public_key)
    if media.size_bytes(read_key) is not None:
        raise MediaUnavailable(reason="the file that was deleted still exists")


def _check_file(phoenix: Phoenix, key: str, link: str) -> None:
    """Raise `MediaUnavailable` unless the key and the link give what was written."""
    if phoenix.ports.media.size_bytes(key) != len(FILE):
        raise MediaUnavailable(reason="the file that was written is missing or has another size")
    if phoenix.local is not None:
        return  # the link leads to the API, which need not run
    try:
        response = httpx.get(link, timeout=LINK_TIMEOUT_S)
    except httpx.HTTPError as error:
        raise MediaUnavailable(reason=f"its link does not open: {error}") from error
    if response.content != FILE:
        raise MediaUnavailable(
            reason=f"its link returned {response.status_code} instead of the file"
        )


def _models(settings: Settings) -> GCPBackend | GeminiAPI | None:
    """Return the settings that choose the models, or None for the sample generator."""
    backend = settings.backend
    return backend.gemini if isinstance(backend, LocalBackend) else backend


def _check_model(phoenix: Phoenix, models: GCPBackend | GeminiAPI, kind: Kind) -> str:
    """Return a kind's model, with a notice if it retires soon; raise if it is not served."""
    today = phoenix.ports.clock.now().date()
    chosen = GoogleGenerators(models, phoenix.ports.clock).card(kind)
    if isinstance(models, GeminiAPI):
        check_key(models, kind)
    for card in retiring_soon([chosen], today=today):
        return f"{card.model}: retires on {card.retires_at}, use {card.fallback}"
    return chosen.model


def check_key(gemini: GeminiAPI, kind: Kind) -> None:
    model = gemini.model_of(kind)
    check_access(kind, model=model, api_key=gemini.api_key, endpoint=gemini.endpoint)


def _check_generator(phoenix: Phoenix, kind: Kind) -> str:
    """Search for an output that does not exist; return the model, which is not called."""
    try:
        generator = phoenix.ports.generator(kind)
    except ModuleNotFoundError as error:
        return f"not checked: this image does not contain {error.name}"
    generator.find_output(CreationId(PROBE), attempt=1)
    is_sample = _models(phoenix.settings) is None
    return generator.model if is_sample else f"{generator.model}: it was not called"


def _print(out: Console, settings: Settings, check: Check, result: ProbeResult) -> None:
    mark = "[green]ok[/green]  " if result.is_ok else "[red]FAIL[/red]"
    detail = _error_text(result.error) if result.error else result.detail or ""
    line = f"{mark}  {check.name:20} {1000 * result.took_s:6.0f} ms  {escape(str(detail))}"
    out.print(line.rstrip(), highlight=False, soft_wrap=True)
    if not result.is_ok:
        remedy = escape(_remedy(settings, check))
        out.print(f"      to fix: {remedy}", highlight=False, soft_wrap=True)


def _error_text(error: Exception) -> str:
    return getattr(error, "reason", "") or str(error) or repr(error)


def _remedy(settings: Settings, check: Check) -> str:
    kind = check.kind or ""
    if isinstance(settings.backend, GCPBackend):
        return REMEDIES[check.part].format(kind=kind, KIND=kind.upper())
    if check.part == "model":
        return LOCAL_MODEL_REMEDY.format(KIND=kind.upper())
    return LOCAL_REMEDY.format(data=settings.backend.data)
