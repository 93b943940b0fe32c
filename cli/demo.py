"""`phoenix demo`: the promise, shown on a fresh stack in a temporary folder."""

import json
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from infrastructure.local.stack import Stack
from shared import telemetry
from shared.adapters.local.data_folder import LOGS
from shared.lifecycle.auditing import AuditReport

USERNAME = "ada"
LOOK_EVERY_S = 0.2
GIVE_UP_S = 110
MEDIA_AND_THUMBNAIL = 2
KIB, MIB = 1024, 1024 * 1024
QUICK_POLICY = {
    "PHOENIX_POLICY_RETRY_DELAYS_S": "2,4,8",
    "PHOENIX_POLICY_RETRY_EARLY_S": "0.5",
    "PHOENIX_POLICY_HEARTBEAT_S": "0.5",
    "PHOENIX_POLICY_VIDEO_POLL_S": "0.5",
    "PHOENIX_POLICY_IMAGE_POLL_S": "0.25",
    "PHOENIX_POLICY_SWEEP_EVERY_S": "5",
}
"""Shorter waits than in earnest, so that a retry can be watched."""


@dataclass
class Story:
    """One creation of the demo: what is asked for, what is promised, and what came of it."""

    name: str
    body: Mapping[str, object]
    status: str = "draft"
    attempts_min: int = 1
    creation: dict[str, Any] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def is_settled(self) -> bool:
        """Tell whether it has come to its end."""
        return self.creation["status"] in ("draft", "failed")

    @property
    def is_kept(self) -> bool:
        """Tell whether it went as promised."""
        is_draft = self.status == "draft"
        return (
            self.creation["status"] == self.status
            and self.creation["attempt"] >= self.attempts_min
            and self.creation["refunded"] is not is_draft
            and len(self.files) == (MEDIA_AND_THUMBNAIL if is_draft else 0)
            and self.creation["duration"] == self.body.get("duration")
        )


def stories() -> list[Story]:
    """Return what the demo shows."""
    video = {"type": "video", "duration": 6}
    return [
        Story("image", {"type": "image", "prompt": "A fox in the first snow"}),
        Story("video", {**video, "prompt": "Waves at dawn, slow pan"}),
        Story("refused", {**video, "prompt": "Something forbidden [refuse]"}, status="failed"),
        Story(
            "rate-limited",
            {"type": "image", "prompt": "A busy street [rate-limit x1]", "aspectRatio": "16:9"},
            attempts_min=2,
        ),
    ]


def demo(out: Console, *, data: Path | None, as_json: bool) -> int:
    """Run the demo and return its exit status: 0 only if all is as promised."""
    told = stories()
    with ExitStack() as kept:
        folder = data or kept.enter_context(tempfile.TemporaryDirectory(prefix="phoenix-demo-"))
        environment = {
            **os.environ,
            **QUICK_POLICY,
            "PHOENIX_DATA": str(folder),
            "PHOENIX_GENERATOR": "sample",  # the demo never costs money
        }
        stack = Stack(environment)
        with (stack.data / LOGS / "demo.log").open("a") as log_file:
            telemetry.configure("demo", stream=log_file)
            # No proxy leads to this machine.
            with stack, httpx.Client(base_url=stack.base_url, trust_env=False) as client:
                token = client.post("/api/local/sign-in", json={"username": USERNAME}).json()
                client.headers["Authorization"] = f"Bearer {token['token']}"
                began_tokens = _balance(client)
                _watch(client, told, Console(quiet=as_json, stderr=out.stderr))
                ended_tokens = _balance(client)
                report = stack.phoenix.auditing.audit()
    spent_tokens = sum(0 if each.creation["refunded"] else each.creation["cost"] for each in told)
    is_kept = (
        all(story.is_kept for story in told)
        and not report.violations
        and began_tokens - ended_tokens == spent_tokens
    )
    if as_json:
        print(json.dumps(_facts(told, report, began_tokens, ended_tokens, is_kept=is_kept)))
    else:
        out.print(_table(told), soft_wrap=False)
        verdict = "clean" if not report.violations else f"{report.violations}"
        out.print(
            f"Tokens {began_tokens} -> {ended_tokens}. Audit of {report.ledger_entries} ledger "
            f"entries, {report.creations} creations, {report.files} files: {verdict}."
        )
        out.print("[green]As promised.[/green]" if is_kept else "[red]Not as promised.[/red]")
    return 0 if is_kept else 1


def _balance(client: httpx.Client) -> int:
    return int(client.get("/api/me").json()["tokenBalance"])


def _watch(client: httpx.Client, told: list[Story], console: Console) -> None:
    """Open every creation and follow it to its end, then fetch its files."""
    columns = (TextColumn("{task.description:12}"), BarColumn(), TextColumn("{task.fields[stage]}"))
    began_s = time.monotonic()
    with Progress(*columns, console=console) as progress:
        bars = {}
        for story in told:
            opened = client.post("/api/generate/creation", json=story.body)
            story.creation = opened.raise_for_status().json()["creation"]
            bars[story.name] = progress.add_task(story.name, total=100, stage="")
        while (waiting := [story for story in told if not story.is_settled]) and (
            time.monotonic() - began_s < GIVE_UP_S
        ):
            time.sleep(LOOK_EVERY_S)
            for story in waiting:
                address = f"/api/generate/creation/{story.creation['creationId']}"
                story.creation = client.get(address).raise_for_status().json()["creation"]
                story.seconds = time.monotonic() - began_s
                stage = story.creation["stage"] or story.creation["status"]
                progress.update(bars[story.name], completed=story.creation["progress"], stage=stage)
    for story in told:
        for name, link in (("media", "mediaUrl"), ("thumbnail", "thumbnailUrl")):
            if story.creation[link] is not None:
                story.files[name] = len(client.get(story.creation[link]).raise_for_status().content)


def _table(told: list[Story]) -> Table:
    columns = ("story", "status", "tokens", "media", "thumb", "tries", "time")
    table = Table(*columns, box=box.SIMPLE, padding=(0, 1, 0, 0))
    for story in told:
        creation = story.creation
        reason = f": {creation['error']['code']}" if creation["error"] else ""
        media, thumbnail = story.files.get("media"), story.files.get("thumbnail")
        length = f", {creation['duration']} s" if creation["duration"] else ""
        table.add_row(
            story.name,
            creation["status"] + reason,
            f"{creation['cost']}" + (" back" if creation["refunded"] else ""),
            f"{media / MIB:.1f} MiB{length}" if media else "",
            f"{thumbnail / KIB:.0f} KiB" if thumbnail else "",
            str(creation["attempt"]),
            f"{story.seconds:.1f} s",
        )
    return table


def _facts(
    told: list[Story], report: AuditReport, began_tokens: int, ended_tokens: int, *, is_kept: bool
) -> dict[str, object]:
    return {
        "asPromised": is_kept,
        "tokensBefore": began_tokens,
        "tokensAfter": ended_tokens,
        "violations": [vars(violation) for violation in report.violations],
        "creations": [
            {
                "story": story.name,
                "asPromised": story.is_kept,
                "seconds": round(story.seconds, 1),
                "files": story.files,
                "creation": story.creation,
            }
            for story in told
        ],
    }
