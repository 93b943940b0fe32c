"""Change a creation of one user after another, as jobs do: from another process than the API.

    python -P change.py INTERVAL_S COUNT < JSON_LINES

Each line of standard input names a user and an unfinished creation. Prints for each change its user
and the moment before its commit, by the clock that all processes share.
"""

import json
import os
import sys
import time
from dataclasses import replace

from shared import settings, wiring
from shared.domain.creation import Creation, creation_key
from shared.domain.keys import CreationId
from shared.ports.store import Decision, Found, Store, write

PROGRESS = 42


def main() -> None:
    interval_s, count = float(sys.argv[1]), int(sys.argv[2])
    store = wiring.build(settings.load(os.environ)).ports.store
    rows = [json.loads(line) for line in sys.stdin][:count]
    for row in rows:
        began_s = time.monotonic()
        change(store, CreationId(row["unfinished"]))
        print(json.dumps({"name": row["name"], "at_s": began_s}), flush=True)  # noqa: T201 (read by the benchmark)
        time.sleep(max(0.0, began_s + interval_s - time.monotonic()))


def change(store: Store, creation_id: CreationId) -> None:
    key = creation_key(creation_id)

    def decide(found: Found) -> Decision[Creation]:
        creation = found.get(key)
        assert creation is not None
        changed = replace(creation, progress=PROGRESS)
        return write(changed, result=changed)

    store.transact([key], decide)


if __name__ == "__main__":
    main()
