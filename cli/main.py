"""`phoenix`: run it, show it, prove it, repair it."""

import json
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from cli import one_machine, operate
from cli.account import UNKNOWN, show
from cli.data import check_data_folder, environment
from cli.demo import demo as run_demo
from cli.doctor import doctor as run_doctor
from infrastructure.local.stack import Stack, StackError
from infrastructure.migration.build import migration
from shared import settings, telemetry, wiring
from shared.adapters.local.data_folder import LOGS
from shared.domain.creation import creation_key
from shared.domain.errors import (
    AccountNotFound,
    CreationNotFound,
    GenerationUnavailable,
    PhoenixError,
    Unavailable,
    WrongSetting,
)
from shared.domain.keys import CreationId, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor
from shared.domain.status import Status
from shared.lifecycle.auditing import AuditReport
from shared.settings import DEFAULT_DATA, DEFAULT_PORT, GeminiAPI, LocalBackend, Settings
from shared.wiring import Phoenix
from shared.wiring.generators import check_access

cli = typer.Typer(
    help="Phoenix: images and videos from prompts, every token accounted for.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(operate.commands)
cli.add_typer(one_machine.commands)
out = Console(soft_wrap=True)
err = Console(stderr=True)

WRONG_CONFIGURATION = 2
READY = {Status.DRAFT, Status.PUBLISHED}
PORT_MAX = 65535
SIGN_IN = (
    "curl {base_url}/api/local/sign-in"
    """ -H 'Content-Type: application/json' -d '{{"username": "ada"}}'"""
)

PAID = "Real media, paid by GEMINI_API_KEY: {} makes images, {} videos."
FAILING = "Until that is fixed, creations fail and their tokens come back: `phoenix doctor`."

DataOption = Annotated[
    Path | None, typer.Option(help=f"Local backend: the data folder [default: {DEFAULT_DATA}]")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command; a known error is one line and exit status 1, a wrong setting 2."""
    try:
        cli(obj=_phoenix)
    except WrongSetting as error:
        _say(str(error))
        sys.exit(WRONG_CONFIGURATION)
    except Unavailable as error:
        _say(f"{error} ({error.reason})" if error.reason else str(error))
        sys.exit(1)
    except (OSError, PhoenixError, StackError) as error:
        _say(str(error))
        sys.exit(1)


def _say(problem: str) -> None:
    """Print what went wrong, in a vendor's own words too, as they are."""
    err.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)


def _phoenix(data: Path | None) -> Phoenix:
    """Put Phoenix together; its log lines go where those of the other processes go."""
    loaded = settings.load(environment(data))
    if isinstance(loaded.backend, LocalBackend):
        check_data_folder(loaded.backend.data)
    phoenix = wiring.build(loaded)
    if isinstance(loaded.backend, LocalBackend):
        logs = loaded.backend.data / LOGS
        logs.mkdir(exist_ok=True)
        telemetry.configure("cli", stream=(logs / "cli.log").open("a"))
    else:
        telemetry.configure("cli", project=loaded.backend.project, stream=sys.stderr)
    return phoenix


@cli.command()
def up(
    port: Annotated[
        int, typer.Option(help="The port to listen on; 0: a free one.", min=0, max=PORT_MAX)
    ] = DEFAULT_PORT,
    data: DataOption = None,
) -> None:
    """Run the one-machine stack until Ctrl-C; a restart loses nothing."""
    stack = Stack(environment(data), port=port)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with (stack.data / LOGS / "stack.log").open("a") as log_file:
        telemetry.configure("stack", stream=log_file)
        with stack:
            out.print(f"[bold]Phoenix runs at {stack.base_url}[/bold]   Ctrl-C stops it.")
            out.print(f"Files    {stack.data}", markup=False)
            if gemini := _gemini(stack.settings):
                out.print(PAID.format(*(gemini.model_of(kind) for kind in Kind)))
                # The stack serves meanwhile: a name server may take longer than the request.
                threading.Thread(target=_ask_gemini, args=(gemini,), daemon=True).start()
            out.print("Sign in", SIGN_IN.format(base_url=stack.base_url))
            stop.wait()
            out.print("Stopping ..")


def _gemini(loaded: Settings) -> GeminiAPI | None:
    return loaded.backend.gemini if isinstance(loaded.backend, LocalBackend) else None


def _ask_gemini(gemini: GeminiAPI) -> None:
    """Say in one line if the developer API does not serve what is to be made."""
    for kind in Kind:
        try:
            check_access(gemini, kind)
        except (WrongSetting, GenerationUnavailable) as error:
            reason = error.reason if isinstance(error, GenerationUnavailable) else str(error)
            _say(f"No real media at the moment: {reason}. {FAILING}")
            return


@cli.command()
def demo(
    *,
    data: Annotated[
        Path | None, typer.Option(help="Keep everything in this folder [default: nothing is kept]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an image and a video, a refusal and a retry on a fresh stack, and audit every token."""
    sys.exit(run_demo(out, data=data, as_json=as_json))


@cli.command()
def audit(*, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Prove balances, creations, counters and files against the whole ledger."""
    report = _phoenix(data).auditing.audit()
    if as_json:
        print(json.dumps(asdict(report)))
        sys.exit(1 if report.violations else 0)
    _print_audit(report)


def _print_audit(report: AuditReport) -> NoReturn:
    """Print each violation, and exit with 1 if there is one."""
    table = Table("invariant", "document", "what")
    for violation in report.violations:
        table.add_row(violation.invariant, violation.document, violation.what)
    if report.violations:
        out.print(table, soft_wrap=False)
    out.print(
        f"{report.accounts} accounts, {report.creations} creations, "
        f"{report.ledger_entries} ledger entries, {report.files} files: "
        f"{len(report.violations)} violations"
    )
    sys.exit(1 if report.violations else 0)


@cli.command()
def sweep(*, data: DataOption = None) -> None:
    """Sweep once and print what came of it."""
    counts = _phoenix(data).sweeping.sweep()
    out.print(", ".join(f"{name} {count}" for name, count in counts.items()))


@cli.command()
def grant(
    user: str,
    tokens: int,
    reference: Annotated[str, typer.Option(help="Names this grant; it is given only once.")],
    data: DataOption = None,
) -> None:
    """Give an account tokens, once per reference."""
    entry = _phoenix(data).accounts.grant(
        UserId(user), tokens, reference=reference, actor=Actor.OPERATOR
    )
    out.print(
        f"{entry.user_id}: +{entry.amount_tokens}, balance {entry.balance_after_tokens}",
        markup=False,
    )


@cli.command()
def account(
    who: Annotated[str, typer.Argument(help="A username, an email address or a user id.")],
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain one account's balance, and what to tell its owner; exit 1 if something is wrong."""
    try:
        statement = _phoenix(data).statements.of(who)
    except AccountNotFound:
        _say(UNKNOWN.format(who=who))
        sys.exit(1)
    sys.exit(show(statement, out, as_json=as_json))


@cli.command()
def adopt(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be taken over; change nothing.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Take over the Celery system's accounts, once it has stopped, and audit what came of it."""
    phoenix = _phoenix(data)
    done = migration(phoenix).run(dry_run=dry_run)
    out.print(
        f"{'Would adopt' if dry_run else 'Adopted'} {done.accounts} accounts with "
        f"{done.opening_tokens} tokens; {done.refunds} creations refunded "
        f"({done.refunded_tokens} tokens), {done.archived_creations} put aside; "
        f"{done.marked_entries} ledger entries marked"
    )
    for problem in done.problems:
        out.print(f"left as it is: {problem.document}: {problem.what}", markup=False)
    if done.problems or dry_run:
        sys.exit(1 if done.problems else 0)
    _print_audit(phoenix.auditing.audit())


@cli.command()
def rerun(
    creation_id: str,
    *,
    debit: Annotated[
        bool, typer.Option("--debit", help="Debit a failed creation again first.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Run the job for a creation now; a failed one is left alone unless it may be debited again."""
    phoenix = _phoenix(data)
    creation = phoenix.ports.store.get(creation_key(CreationId(creation_id)))
    if creation is None:
        raise CreationNotFound
    name = phoenix.ports.executions.run(
        creation.creation_id, kind=creation.kind, debit_failed=debit
    )
    out.print(f"{name} runs")
    if phoenix.local is not None:
        phoenix.local.executions.wait()
        now = phoenix.ports.store.get(creation.key)
        out.print(f"{creation_id} is {now.status if now else 'gone'}")
        failure = phoenix.local.executions.failure(name)
        if failure is not None:
            _say(f"{name} failed with {failure}")
        elif now is not None and now.status is Status.FAILED and not debit:
            _say("A failed creation is left alone; --debit takes its tokens again")
        sys.exit(0 if now is not None and now.status in READY and failure is None else 1)


@cli.command()
def doctor(
    *,
    data: DataOption = None,
    api: Annotated[bool, typer.Option("--api", help="Only what the API may use.")] = False,
) -> None:
    """Ask every service one question, and say how to mend what fails."""
    sys.exit(run_doctor(settings.load(environment(data)), out, as_api=api))
