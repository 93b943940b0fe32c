"""The R2 buckets: created once, readable by the allowed pages, without orphaned uploads."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infrastructure.gcp import r2_buckets
from tests.servers.r2_server import (
    ACCESS_KEY_ID,
    DRAFTS_BUCKET,
    PUBLIC_BUCKET,
    SECRET_ACCESS_KEY,
    Fault,
    R2Server,
)

SCRIPT = Path(r2_buckets.__file__)


@pytest.fixture
def r2() -> Iterator[R2Server]:
    with R2Server() as server:
        yield server


@pytest.fixture
def client(r2: R2Server) -> Any:
    return r2_buckets.connect(
        r2.settings["endpoint_url"], key_id=ACCESS_KEY_ID, secret=SECRET_ACCESS_KEY
    )


def rule(client: Any, bucket: str) -> Any:
    (found,) = client.get_bucket_cors(Bucket=bucket)["CORSRules"]
    return found


def test_unchanged_bucket_is_not_written_again(client: Any, r2: R2Server) -> None:
    first = r2_buckets.prepare(client, "new", ["https://app.example"])
    second = r2_buckets.prepare(client, "new", ["https://app.example"])
    writes = [seen for seen in r2.seen if seen.method == "PUT"]

    assert (first, second) == (["created", "CORS", "lifecycle"], [])
    assert len(writes) == 3


def test_only_allowed_origins_may_read(client: Any) -> None:
    r2_buckets.prepare(client, "new", ["https://app.example"])
    one = rule(client, "new")
    changed = r2_buckets.prepare(client, "new", ["*"])
    other = rule(client, "new")
    without = r2_buckets.prepare(client, "new", [])

    assert one["AllowedOrigins"] == ["https://app.example"]
    assert one["AllowedMethods"] == ["GET", "HEAD"]
    assert other["AllowedOrigins"] == ["*"]
    assert (changed, without) == (["CORS"], ["CORS"])
    with pytest.raises(client.exceptions.ClientError, match="NoSuchCORSConfiguration"):
        client.get_bucket_cors(Bucket="new")


def test_orphaned_uploads_expire_after_a_day_and_media_never(client: Any) -> None:
    r2_buckets.prepare(client, "new", [])
    rules = client.get_bucket_lifecycle_configuration(Bucket="new")["Rules"]

    assert [each["Filter"]["Prefix"] for each in rules if "Expiration" in each] == ["doctor/"]
    assert [
        each["AbortIncompleteMultipartUpload"]
        for each in rules
        if "AbortIncompleteMultipartUpload" in each
    ] == [{"DaysAfterInitiation": 1}]


def run(r2: R2Server, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            sys.executable,
            SCRIPT,
            f"--endpoint-url={r2.settings['endpoint_url']}",
            f"--drafts={DRAFTS_BUCKET}",
            f"--public={PUBLIC_BUCKET}",
            "--origins=https://a.example,https://b.example",
        ],
        env={
            "PATH": os.environ["PATH"],
            "R2_ADMIN_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "R2_ADMIN_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_script_prepares_both_buckets_and_prints_the_changes(r2: R2Server, client: Any) -> None:
    first, second = run(r2), run(r2)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert first.stdout.splitlines() == [
        f"{DRAFTS_BUCKET}: CORS, lifecycle",
        f"{PUBLIC_BUCKET}: CORS, lifecycle",
    ]
    assert set(second.stdout.split(": ")[1:]) == {
        f"unchanged\n{PUBLIC_BUCKET}",
        "unchanged\n",
    }
    assert rule(client, DRAFTS_BUCKET)["AllowedOrigins"] == [
        "https://a.example",
        "https://b.example",
    ]
    assert rule(client, PUBLIC_BUCKET)["AllowedOrigins"] == ["*"]


def test_wrong_key_is_an_error_and_not_a_missing_bucket(r2: R2Server) -> None:
    wrong = run(r2, R2_ADMIN_SECRET_ACCESS_KEY="another")
    r2.faults = [Fault.DOWN] * 20
    down = run(r2)

    assert 0 not in {wrong.returncode, down.returncode}
    assert "403" in wrong.stderr
    assert all(seen.method != "PUT" for seen in r2.seen)
