"""`phoenix demo`: a few creations on a fresh stack, with an audit of every token."""

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

POLL_INTERVAL_S = 0.2
TIMEOUT_S = 110
KIB, MIB = 1024, 1024 * 1024
QUICK_POLICY = {
    "PHOENIX_POLICY_RETRY_DELAYS_S": "2,4,8",
    "PHOENIX_POLICY_RETRY_EARLY_S": "0.5",
    "PHOENIX_POLICY_HEARTBEAT_S": "0.5",
    "PHOENIX_POLICY_VIDEO_POLL_S": "0.5",
    "PHOENIX_POLICY_IMAGE_POLL_S": "0.25",
    "PHOENIX_POLICY_SWEEP_EVERY_S": "5",
}
"""Shorter waits than in production, so that a retry can be watched."""


@dataclass
class Story:
    """One creation of the demo: its request, the expected outcome and the actual one."""

    name: str
    body: Mapping[str, object]
    status: str = "draft"
    attempts_min: int = 1
    creation: dict[str, Any] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def is_settled(self) -> bool:
        return self.creation["status"] in ("draft", "failed")

    @property
    def is_kept(self) -> bool:
        is_draft = self.status == "draft"
        return (
            self.creation["status"] == self.status
            and self.creation["attempt"] >= self.attempts_min
            and self.creation["refunded"] is not is_draft
            and set(self.files) == ({"media", "thumbnail"} if is_draft else set())
            and self.creation["duration"] == self.body.get("duration")
        )


def stories() -> list[Story]:
    image, video = {"type": "image"}, {"type": "video", "duration": 6}
    busy = {"prompt": "A busy street [rate-limit x1]", "aspectRatio": "16:9"}
    return [
        Story("image", {**image, "prompt": "A fox in the first snow"}),
        Story("video", {**video, "prompt": "Waves at dawn, slow pan"}),
        Story("refused", {**video, "prompt": "Something forbidden [refuse]"}, status="failed"),
        Story("rate-limited", {**image, **busy}, attempts_min=2),
    ]


def demo(out: Console, *, data: Path | None, as_json: bool) -> int:
    """Run the demo; return its exit status, 0 only if every promise was kept."""
    shown = stories()
    with ExitStack() as resources:
        folder = data or resources.enter_context(
            tempfile.TemporaryDirectory(prefix="phoenix-demo-")
        )
        free = {"PHOENIX_DATA": str(folder), "PHOENIX_GENERATOR": "sample"}
        stack = Stack({**os.environ, **QUICK_POLICY, **free})
        log_file = resources.enter_context((stack.data / LOGS / "demo.log").open("a"))
        telemetry.configure("demo", stream=log_file)
        resources.enter_context(stack)
        # A proxy from the environment cannot reach this machine.
        client = resources.enter_context(httpx.Client(base_url=stack.base_url, trust_env=False))
        token = client.post("/api/local/sign-in", json={"username": "ada"}).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        tokens_before = _balance(client)
        _watch(client, shown, Console(quiet=as_json, stderr=out.stderr))
        tokens_after = _balance(client)
        report = stack.phoenix.auditing.audit()
    spent = sum(0 if each.creation["refunded"] else each.creation["cost"] for each in shown)
    is_kept = (
        all(story.is_kept for story in shown)
        and not report.violation_count
        and tokens_before - tokens_after == spent
    )
    if as_json:
        facts = {"asPromised": is_kept, "tokensBefore": tokens_before, "tokensAfter": tokens_after}
        violations = [vars(violation) for violation in report.violations]
        print(json.dumps({**facts, "violations": violations, "creations": _facts(shown)}))
    else:
        out.print(_table(shown), soft_wrap=False)
        verdict = "clean" if not report.violations else f"{report.violations}"
        out.print(
            f"Tokens {tokens_before} -> {tokens_after}. Audit of {report.ledger_entries} ledger "
            f"entries, {report.creations} creations, {report.files} files: {verdict}."
        )
        out.print("[green]As promised.[/green]" if is_kept else "[red]Not as promised.[/red]")
    return 0 if is_kept else 1


def _balance(client: httpx.Client) -> int:
    return int(client.get("/api/me").json()["tokenBalance"])


def _watch(client: httpx.Client, stories: list[Story], console: Console) -> None:
    """Open every creation, poll it until it is settled, then download its files."""
    columns = (TextColumn("{task.description:12}"), BarColumn(), TextColumn("{task.fields[stage]}"))
    began_s = time.monotonic()
    with Progress(*columns, console=console) as progress:
        bars = {}
        for story in stories:
            opened = client.post("/api/generate/creation", json=story.body)
            story.creation = opened.raise_for_status().json()["creation"]
            bars[story.name] = progress.add_task(story.name, total=100, stage="")
        while (waiting := [story for story in stories if not story.is_settled]) and (
            time.monotonic() - began_s < TIMEOUT_S
        ):
            time.sleep(POLL_INTERVAL_S)
            for story in waiting:
                address = f"/api/generate/creation/{story.creation['creationId']}"
                story.creation = client.get(address).raise_for_status().json()["creation"]
                story.seconds = time.monotonic() - began_s
                stage = story.creation["stage"] or story.creation["status"]
                progress.update(bars[story.name], completed=story.creation["progress"], stage=stage)
    for story in stories:
        for name in ("media", "thumbnail"):
            if link := story.creation[f"{name}Url"]:
                story.files[name] = len(client.get(link).raise_for_status().content)


def _table(stories: list[Story]) -> Table:
    columns = ("story", "status", "tokens", "media", "thumb", "tries", "time")
    table = Table(*columns, box=box.SIMPLE, padding=(0, 1, 0, 0))
    for story in stories:
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


def _facts(stories: list[Story]) -> list[dict[str, object]]:
    return [
        {
            "story": story.name,
            "asPromised": story.is_kept,
            "seconds": round(story.seconds, 1),
            "files": story.files,
            "creation": story.creation,
        }
        for story in stories
    ]
