"""A client is created lazily and once."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.once import Once

LAZY = """
import sys
from shared.adapters.cloud_run.executions import CloudRunExecutions
from shared.adapters.cloud_tasks.task_queue import CloudTasksQueue
from shared.adapters.r2.media_store import R2MediaStore
CloudRunExecutions(project="p", region="r").close()
CloudTasksQueue(project="p", region="r", invoker="i", traceparent=lambda: None).close()
names = ["endpoint_url", "access_key_id", "secret_access_key", "drafts_bucket", "public_bucket",
         "public_url"]
R2MediaStore(**dict.fromkeys(names, "x")).close()
print(sorted({"boto3", "botocore", "google", "grpc", "requests"} & sys.modules.keys()))
"""


def test_concurrent_threads_share_one_client() -> None:
    at_once = threading.Barrier(8)
    client = Once(object)

    def ask(_: int) -> object:
        at_once.wait()
        return client()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(8)))) == 1


def test_failed_connect_is_retried_by_the_next_call() -> None:
    clients: list[str] = []
    client = Once(clients.pop)
    with pytest.raises(IndexError):
        client()

    clients.append("client")

    assert client() == "client"


def test_close_releases_an_opened_client() -> None:
    released: list[str] = []
    client = Once(lambda: "client")

    client.close(released.append)
    client()
    for _ in range(2):
        client.close(released.append)

    assert released == ["client"]


def test_adapters_import_their_vendor_lazily() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LAZY], cwd=Path.cwd(), capture_output=True, check=True, text=True
    )

    assert done.stdout == "[]\n"
