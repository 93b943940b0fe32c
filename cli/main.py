"""The `phoenix` command: run, demonstrate, audit and operate an installation."""

import json
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import httpx
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import capacity, operate, replay, stats
from cli.account import UNKNOWN, show
from cli.data import DataOption, check_data_folder, environment
from cli.demo import demo as run_demo
from cli.doctor import check_key
from cli.doctor import doctor as run_doctor
from infrastructure.local.stack import Stack, StackError
from infrastructure.migration.build import migration
from shared import settings, startup, telemetry, wiring
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
from shared.domain.status import Status
from shared.lifecycle.auditing import AuditReport
from shared.settings import DEFAULT_PORT, GeminiAPI, LocalBackend
from shared.settings.sealed_environment import WRONG_CONFIGURATION
from shared.wiring import Phoenix

cli = typer.Typer(
    help="Phoenix: images and videos from prompts, every token accounted for.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(operate.commands)
cli.add_typer(replay.commands)
cli.add_typer(capacity.commands)
cli.add_typer(stats.commands)
out = Console(soft_wrap=True)
err = Console(stderr=True)

READY = {Status.DRAFT, Status.PUBLISHED}
PORT_MAX = 65535
SIGN_IN = (
    "curl {base_url}/api/local/sign-in"
    """ -H 'Content-Type: application/json' -d '{{"username": "ada"}}'"""
)

PAID = "Real media, billed to GEMINI_API_KEY: images by {}, videos by {}."
FAILING = "Until this is fixed, creations fail and are refunded: `phoenix doctor`."

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command; print a known error in one line and exit with 1, or 2 for a wrong setting."""
    startup.complete()
    try:
        cli(obj=_phoenix)
    except (OSError, PhoenixError, StackError) as error:
        reason = f" ({error.reason})" if isinstance(error, Unavailable) and error.reason else ""
        _print_error(f"{error}{reason}")
        sys.exit(WRONG_CONFIGURATION if isinstance(error, WrongSetting) else 1)


def _print_error(problem: str) -> None:
    """Print an error, which may quote a vendor's text, without markup."""
    err.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)


def _phoenix(data: Path | None) -> Phoenix:
    """Build Phoenix; log to where its other processes log."""
    loaded = settings.load(environment(data))
    if not isinstance(loaded.backend, LocalBackend):
        telemetry.configure("cli", project=loaded.backend.project, stream=sys.stderr)
        return wiring.build(loaded)
    check_data_folder(loaded.backend.data)
    phoenix = wiring.build(loaded)
    logs = loaded.backend.data / LOGS
    logs.mkdir(exist_ok=True)
    telemetry.configure("cli", stream=(logs / "cli.log").open("a"))
    return phoenix


@cli.command()
def up(
    port: Annotated[
        int, typer.Option(help="The port to listen on; 0 picks a free one.", min=0, max=PORT_MAX)
    ] = DEFAULT_PORT,
    admin: Annotated[
        list[str] | None, typer.Option(help="A username that may operate; repeatable.")
    ] = None,
    data: DataOption = None,
) -> None:
    """Run Phoenix on this machine until Ctrl-C; a restart loses nothing."""
    admins = {"PHOENIX_ADMINS": ",".join(admin)} if admin else {}
    stack = Stack({**environment(data), **admins}, port=port)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with (stack.data / LOGS / "stack.log").open("a") as log_file:
        telemetry.configure("stack", stream=log_file)
        with stack:
            out.print(f"[bold]Phoenix runs at {stack.base_url}[/bold]   Ctrl-C stops it.")
            out.print(f"Files    {stack.data}", markup=False)
            backend = stack.settings.backend
            if isinstance(backend, LocalBackend) and backend.gemini:
                out.print(PAID.format(*(backend.gemini.model_of(kind) for kind in Kind)))
                # In the background, because name resolution may be slow.
                threading.Thread(target=_check_key, args=(backend.gemini,), daemon=True).start()
            out.print("Sign in", SIGN_IN.format(base_url=stack.base_url))
            stop.wait()
            out.print("Stopping ..")


def _check_key(gemini: GeminiAPI) -> None:
    for kind in Kind:
        try:
            check_key(gemini, kind)
        except (WrongSetting, GenerationUnavailable) as error:
            reason = error.reason if isinstance(error, GenerationUnavailable) else str(error)
            _print_error(f"No real media at the moment: {reason}. {FAILING}")
            return


@cli.command()
def demo(
    *,
    data: Annotated[
        Path | None, typer.Option(help="Keep everything in this folder [default: a temporary one]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show an image, a video, a refusal and a retry on a fresh stack, and audit every token."""
    try:
        sys.exit(run_demo(out, data=data, as_json=as_json))
    except httpx.HTTPStatusError as error:  # the tokens of a folder that was used before, say
        _print_error(f"{error.response.json()['detail']} A new folder has 100 tokens.")
        sys.exit(1)


@cli.command()
def audit(
    *,
    since: Annotated[
        bool,
        typer.Option(
            "--since",
            help="Only the accounts that moved since they were last found correct; no files.",
        ),
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check balances, creations, counters and files against the whole ledger."""
    phoenix = _phoenix(data)
    report = (phoenix.incremental_audit if since else phoenix.auditing).audit()
    if as_json:
        print(json.dumps(asdict(report)))
        sys.exit(1 if report.violation_count else 0)
    _print_audit(report)


def _print_audit(report: AuditReport) -> NoReturn:
    """Print the violations of the report; exit with 1 if there is one."""
    table = Table("invariant", "document", "what")
    for violation in report.violations:
        table.add_row(violation.invariant, Text(violation.document), Text(violation.what))
    if report.violations:
        out.print(table, soft_wrap=False)
    if report.violation_count > len(report.violations):
        out.print(f"These are the first {len(report.violations)} violations.")
    out.print(
        f"{report.accounts} accounts, {report.creations} creations, "
        f"{report.ledger_entries} ledger entries, {report.files} files: "
        f"{report.violation_count} violations"
    )
    sys.exit(1 if report.violation_count else 0)


@cli.command()
def sweep(*, data: DataOption = None) -> None:
    """Sweep once and print the outcomes."""
    counts = _phoenix(data).operating.sweep()
    out.print(", ".join(f"{name} {count}" for name, count in counts.items()))


@cli.command()
def grant(
    user: str,
    tokens: int,
    reference: Annotated[
        str, typer.Option(help="The name of this grant, which is given only once.")
    ],
    data: DataOption = None,
) -> None:
    """Grant tokens to an account, once per reference."""
    entry = _phoenix(data).operating.grant(
        UserId(user), tokens, reference=reference, reason=f"reference {reference}"
    )
    balance = f"balance {entry.balance_after_tokens}"
    out.print(f"{entry.user_id}: +{entry.amount_tokens}, {balance}", markup=False)


@cli.command()
def account(
    who: Annotated[str, typer.Argument(help="A username, an email address or a user id.")],
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain one account's balance and suggest a reply to its owner; exit 1 on violations."""
    try:
        statement = _phoenix(data).statements.of(who)
    except AccountNotFound:
        _print_error(UNKNOWN.format(who=who))
        sys.exit(1)
    sys.exit(show(statement, out, as_json=as_json))


@cli.command()
def adopt(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be migrated; change nothing.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Migrate the accounts of the stopped Celery system, and audit the result."""
    phoenix = _phoenix(data)
    done = migration(phoenix).run(dry_run=dry_run)
    out.print(
        f"{'Would migrate' if dry_run else 'Migrated'} {done.accounts} accounts with "
        f"{done.opening_tokens} tokens; {done.refunds} creations refunded "
        f"({done.refunded_tokens} tokens), {done.archived_creations} archived; "
        f"{done.marked_entries} ledger entries marked"
    )
    for problem in done.problems:
        out.print(f"skipped: {problem.document}: {problem.what}", markup=False)
    if done.problems or dry_run:
        sys.exit(1 if done.problems else 0)
    _print_audit(phoenix.auditing.audit())


@cli.command()
def rerun(
    creation_id: str,
    *,
    debit: Annotated[
        bool, typer.Option("--debit", help="First debit a failed creation again.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Run a creation's job now; a failed creation is run only after a new debit (--debit)."""
    phoenix = _phoenix(data)
    creation = phoenix.ports.store.get(creation_key(CreationId(creation_id)))
    if creation is None:
        raise CreationNotFound
    name = phoenix.ports.executions.run(
        creation.creation_id, kind=creation.kind, debit_failed=debit
    )
    out.print(f"{name} started")
    if phoenix.local is None:
        return
    phoenix.local.executions.wait()
    current = phoenix.ports.store.get(creation.key)
    status = current.status if current else "deleted"
    out.print(f"{creation_id} is {status}")
    failure = phoenix.local.executions.failure(name)
    if failure is not None:
        _print_error(f"{name} failed with {failure}")
    elif status == Status.FAILED and not debit:
        _print_error("A failed creation is not run again; --debit debits its tokens again first")
    sys.exit(0 if status in READY and failure is None else 1)


@cli.command()
def doctor(
    *,
    data: DataOption = None,
    api: Annotated[bool, typer.Option("--api", help="Check only what the API may use.")] = False,
) -> None:
    """Check every service and print a remedy for each failure."""
    sys.exit(run_doctor(settings.load(environment(data)), out, as_api=api))
