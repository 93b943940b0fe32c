"""`phoenix doctor`: a question to every service behind the ports, and how to mend what fails."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape

from shared.adapters.google_models.cards import retiring_soon
from shared.domain.errors import MediaUnavailable, Unavailable, WrongSetting
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.media import PUBLIC_PREFIX, MediaFormat
from shared.gemini_settings import GeminiAPI
from shared.generators import ask_for_model, chosen_model
from shared.health import PROBE, ProbeResult, probe_queue, probe_store, probe_withdrawal, run_probe
from shared.installation import Ports
from shared.settings import GCPBackend, LocalBackend, Settings
from shared.wiring import Phoenix, build

FILE = b"a file of phoenix doctor"
FOLDER = "doctor/"
NAME_LETTERS = 16
LINK_LIFE = timedelta(minutes=5)
LINK_TIMEOUT_S = 10

WHERE_IT_IS = (
    "R2_SECRET_ACCESS_KEY comes from Secret Manager, "
    "where this service account needs roles/secretmanager.secretAccessor"
)
MENDS = {
    "start": "run as a service account, or sign in with `gcloud auth application-default login`",
    "store": "GOOGLE_CLOUD_PROJECT and PHOENIX_FIRESTORE_DATABASE name the database; "
    "this service account needs roles/datastore.user",
    "queue": "GOOGLE_CLOUD_PROJECT and PHOENIX_REGION name the queue {kind}-generation-queue; "
    "this service account needs roles/cloudtasks.enqueuer, roles/cloudtasks.taskDeleter and "
    "roles/cloudtasks.viewer on it, "
    "and roles/iam.serviceAccountUser on PHOENIX_TASKS_INVOKER",
    "private files": "R2_ENDPOINT_URL and R2_DRAFTS_BUCKET_NAME name the bucket; "
    f"the token of R2_ACCESS_KEY_ID needs Object Read & Write on it; {WHERE_IT_IS}",
    "public files": "R2_BUCKET_NAME names the bucket, R2_PUBLIC_URL is its public domain; "
    f"the token of R2_ACCESS_KEY_ID needs Object Read & Write on it; {WHERE_IT_IS}",
    "users": "this process must reach www.googleapis.com and identitytoolkit.googleapis.com; "
    "GOOGLE_CLOUD_PROJECT needs Firebase Authentication, "
    "this service account roles/firebaseauth.viewer",
    "services": "this process must reach www.googleapis.com",
    "executions": "GOOGLE_CLOUD_PROJECT and PHOENIX_REGION name the job {kind}-generation-job; "
    "this service account needs roles/run.viewer on the job, "
    "and PHOENIX_TASKS_INVOKER roles/run.jobsExecutorWithOverrides on it",
    "model": "set PHOENIX_{KIND}_MODEL for {kind}-generation-job, the API and this job: "
    "docs/operating.md, *Model retired*",
    "generator": "PHOENIX_{KIND}_MODEL must be a model that GOOGLE_CLOUD_PROJECT may use; "
    "this service account needs roles/aiplatform.user, "
    "and roles/storage.objectUser on PHOENIX_GENERATOR_BUCKET",
}
"""What to look at in the cloud, by part."""
MODEL_HERE = (
    "can this machine reach Google, is GEMINI_API_KEY a key of a project with billing, and may it "
    "use PHOENIX_{KIND}_MODEL? PHOENIX_GENERATOR=sample needs none of them"
)
MEND_HERE = "can this user write in PHOENIX_DATA ({data}), and is there room on the disk?"


@dataclass(frozen=True, kw_only=True)
class Check:
    """A question to one part."""

    part: str
    question: Callable[[], object]
    kind: Kind | None = None

    @property
    def name(self) -> str:
        """Return the part with the kind it is for."""
        return f"{self.part}, {self.kind}s" if self.kind else self.part


def doctor(settings: Settings, out: Console, *, as_api: bool = False) -> int:
    """Put Phoenix together and examine it, or what the API uses of it; return the exit status."""
    try:
        phoenix = build(settings)
    except (OSError, Unavailable, WrongSetting) as error:
        if isinstance(error, WrongSetting) and isinstance(settings.backend, GCPBackend):
            raise
        start = Check(part="start", question=partial(build, settings))
        _print(out, settings, start, ProbeResult(took_s=0, error=error))
        return 1
    return examine(phoenix, out, as_api=as_api)


def examine(phoenix: Phoenix, out: Console, *, as_api: bool = False) -> int:
    """Print a line for each check and how to mend what failed; return the exit status."""
    failures = 0
    for check in checks(phoenix, as_api=as_api):
        # Whatever goes wrong is a finding, and the other parts are asked all the same.
        answer = run_probe(check.question, clock=phoenix.ports.clock, expecting=Exception)
        _print(out, phoenix.settings, check, answer)
        failures += not answer.is_ok
    out.print(f"{failures} of the parts must be mended" if failures else "All is well")
    return 1 if failures else 0


def checks(phoenix: Phoenix, *, as_api: bool = False) -> Iterator[Check]:
    """Yield a check of every service that a creation comes across.

    Only the jobs may use generators, and only their images hold a vendor's library for it; a
    model's card is in every image.
    """
    ports = phoenix.ports
    yield Check(part="store", question=partial(probe_store, ports.store))
    for kind in Kind:
        yield Check(part="queue", kind=kind, question=partial(_queue, ports, kind))
    yield Check(part="private files", question=partial(_keep_a_file, phoenix))
    yield Check(part="public files", question=partial(_publish_a_file, phoenix))
    yield Check(part="users", question=ports.identity.warm_up)
    yield Check(part="services", question=ports.service_identity.warm_up)
    for kind in Kind:
        yield Check(part="executions", kind=kind, question=partial(_executions, ports, kind))
    if models := _models(phoenix.settings):
        for kind in Kind:
            yield Check(part="model", kind=kind, question=partial(_model, phoenix, models, kind))
    for kind in () if as_api else Kind:
        yield Check(part="generator", kind=kind, question=partial(_ask_generator, phoenix, kind))


def _queue(ports: Ports, kind: Kind) -> None:
    """Look for a task, withdraw one that is not there, and ask whether one may be created."""
    probe_queue(ports.queue, kind)
    probe_withdrawal(ports.queue, kind)
    if ports.grants is not None:
        ports.grants.check_task(kind)


def _executions(ports: Ports, kind: Kind) -> None:
    """Look for an execution, and for the grant that a task starts one by."""
    ports.executions.is_running(PROBE, kind=kind)
    if ports.grants is not None:
        ports.grants.check_start(kind)


def _keep_a_file(phoenix: Phoenix) -> None:
    """Write, read and delete a private file."""
    key = f"{FOLDER}{phoenix.ports.ids.random_id(NAME_LETTERS)}.{MediaFormat.PNG}"
    try:
        _put(phoenix, key)
        link = phoenix.ports.media.private_link(
            key, expires_at=phoenix.ports.clock.now() + LINK_LIFE
        )
        _check_file(phoenix, key, link)
    finally:
        phoenix.ports.media.delete(key)
    _check_gone(phoenix, key)


def _publish_a_file(phoenix: Phoenix) -> None:
    """Write a private file; copy it to the public area, read and delete it there."""
    key = f"{FOLDER}{phoenix.ports.ids.random_id(NAME_LETTERS)}.{MediaFormat.PNG}"
    public_key = PUBLIC_PREFIX + key
    try:
        _put(phoenix, key)
        phoenix.ports.media.publish(key, public_key)
        _check_file(phoenix, public_key, phoenix.ports.media.public_link(public_key))
    finally:
        phoenix.ports.media.delete(key)
        phoenix.ports.media.delete(public_key)
    _check_gone(phoenix, public_key)


def _put(phoenix: Phoenix, key: str) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(FILE)
        file.flush()
        phoenix.ports.media.put(Path(file.name), key, media_format=MediaFormat.PNG)


def _check_file(phoenix: Phoenix, key: str, link: str) -> None:
    """Raise `MediaUnavailable` if the file is not what was written, by its key and its link."""
    if phoenix.ports.media.size_bytes(key) != len(FILE):
        raise MediaUnavailable(reason="what was written is not there")
    if phoenix.local is not None:
        return  # the link leads to the API, which need not run
    try:
        answer = httpx.get(link, timeout=LINK_TIMEOUT_S)
    except httpx.HTTPError as error:
        raise MediaUnavailable(reason=f"its link does not open: {error}") from error
    if answer.content != FILE:
        raise MediaUnavailable(reason=f"its link answers {answer.status_code} and not the file")


def _check_gone(phoenix: Phoenix, key: str) -> None:
    if phoenix.ports.media.size_bytes(key) is not None:
        raise MediaUnavailable(reason="what was deleted is still there")


def _models(settings: Settings) -> GCPBackend | GeminiAPI | None:
    """Return what names the models, or None for the sample generator."""
    backend = settings.backend
    return backend.gemini if isinstance(backend, LocalBackend) else backend


def _model(phoenix: Phoenix, models: GCPBackend | GeminiAPI, kind: Kind) -> str:
    """Return a kind's model, and when it retires; raise `WrongSetting` if it has.

    The developer API is asked for it, which costs nothing.
    """
    today = phoenix.ports.clock.now().date()
    chosen = chosen_model(models, kind, today=today)
    if isinstance(models, GeminiAPI):
        ask_for_model(models, kind)
    for card in retiring_soon([chosen], today=today):
        return f"{card.model}: retires on {card.retires_at}, use {card.fallback}"
    return chosen.model


def _ask_generator(phoenix: Phoenix, kind: Kind) -> str:
    """Ask a generator for an output that is not there; return its model, which is not called.

    The API's image holds no vendor's SDK to ask with: there the model's card must do.
    """
    try:
        generator = phoenix.ports.generator(kind)
    except ModuleNotFoundError as error:
        return f"not asked, there is no {error.name} in this image"
    generator.find_output(CreationId(PROBE), attempt=1)
    is_sample = _models(phoenix.settings) is None
    return generator.model if is_sample else f"{generator.model}: it was not called"


def _print(out: Console, settings: Settings, check: Check, answer: ProbeResult) -> None:
    mark = "[green]ok[/green]  " if answer.is_ok else "[red]FAIL[/red]"
    detail = _reason(answer.error) if answer.error else answer.detail or ""
    line = f"{mark}  {check.name:20} {1000 * answer.took_s:6.0f} ms  {escape(str(detail))}"
    out.print(line.rstrip(), highlight=False, soft_wrap=True)
    if not answer.is_ok:
        out.print(
            f"      to mend: {escape(_mend(settings, check))}", highlight=False, soft_wrap=True
        )


def _reason(error: Exception) -> str:
    """Return the vendor's words where an error keeps them, else its own."""
    return getattr(error, "reason", "") or str(error) or repr(error)


def _mend(settings: Settings, check: Check) -> str:
    kind = check.kind or ""
    if isinstance(settings.backend, LocalBackend):
        if check.part == "model":
            return MODEL_HERE.format(KIND=kind.upper())
        return MEND_HERE.format(data=settings.backend.data)
    return MENDS[check.part].format(kind=kind, KIND=kind.upper())
