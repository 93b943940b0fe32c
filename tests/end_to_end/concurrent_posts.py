"""One of several processes that post concurrently, run by `posted_at_once`."""

import collections
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx


def main() -> None:
    """Post `count` times at the given time and print the count of each status."""
    base_url, token, kind, count, start_at_s, key = sys.argv[1:]
    headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})

    def post(_: int) -> int:
        body = {"type": kind, "prompt": "a crowd [hang]"}
        with httpx.Client(base_url=base_url, timeout=60) as client:
            time.sleep(max(0.0, float(start_at_s) - time.time()))
            return client.post("/api/generate/creation", json=body, headers=headers).status_code

    with ThreadPoolExecutor(int(count)) as threads:
        sys.stdout.write(json.dumps(collections.Counter(threads.map(post, range(int(count))))))


if __name__ == "__main__":
    main()
