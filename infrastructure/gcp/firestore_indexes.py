"""Print the gcloud commands, one a line, that make the Firestore indexes that are missing.

The file is Firebase's own: https://firebase.google.com/docs/reference/firestore/indexes
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]


def missing_composites(declared: Sequence[Json], existing: Sequence[Json]) -> Iterator[list[str]]:
    """Yield the command for each composite index that does not exist."""
    there = {(_group(index["name"]), *_fields(index)) for index in existing}
    for index in declared:
        if (index["collectionGroup"], *_fields(index)) in there:
            continue
        fields = [
            f"--field-config=field-path={path},order={order.lower()}"
            for path, order in _fields(index)
        ]
        scope = f"--query-scope={index['queryScope'].lower()}"
        group = f"--collection-group={index['collectionGroup']}"
        yield ["composite", "create", group, scope, *fields]


def missing_overrides(declared: Sequence[Json], existing: Sequence[Json]) -> Iterator[list[str]]:
    """Yield the command for each field whose own indexes are others than declared."""
    there = {
        (_group(field["name"]), field["name"].rsplit("/", 1)[-1]): _of_field(field["indexConfig"])
        for field in existing
    }
    for field in declared:
        wanted = {(each["queryScope"], each["order"]) for each in field["indexes"]}
        if there.get((field["collectionGroup"], field["fieldPath"])) == wanted:
            continue
        # gcloud makes a field's own index for the scope COLLECTION.
        indexes = [f"--index=order={order.lower()}" for _, order in sorted(wanted)]
        group = f"--collection-group={field['collectionGroup']}"
        yield [
            "fields",
            "update",
            field["fieldPath"],
            group,
            *(indexes or ["--disable-indexes"]),
        ]


def prefixed(declared: Sequence[Json], prefix: str) -> list[Json]:
    """Return the declarations for collections whose names begin with the prefix."""
    return [{**each, "collectionGroup": prefix + each["collectionGroup"]} for each in declared]


def _group(name: str) -> str:
    """Return the collection group in the name of an index or a field."""
    return name.split("/collectionGroups/")[1].split("/", maxsplit=1)[0]


def _fields(index: Json) -> list[tuple[str, str]]:
    """Return what an index sorts by; Firestore itself adds the name of the document."""
    fields = index["fields"]
    return [
        (each["fieldPath"], each["order"]) for each in fields if each["fieldPath"] != "__name__"
    ]


def _of_field(config: Json) -> set[tuple[str, str]]:
    return {
        (index["queryScope"], index["fields"][0]["order"]) for index in config.get("indexes", [])
    }


def _listed(kind: str, database: str) -> Any:  # noqa: ANN401 (JSON)
    command = ["gcloud", "firestore", "indexes", kind, "list", database, "--format=json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 (no shell)
    if done.returncode:
        sys.exit(done.stderr.strip())
    return json.loads(done.stdout)


def main() -> None:
    """Compare the file with what the database has; with --all, as if it had nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--database", required=True)
    parser.add_argument("--prefix", default="", help="what the collections' names begin with")
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    declared = json.loads(arguments.file.read_text())
    database = f"--database={arguments.database}"
    composites = [] if arguments.all else _listed("composite", database)
    fields = [] if arguments.all else _listed("fields", database)
    for words in (
        *missing_composites(prefixed(declared["indexes"], arguments.prefix), composites),
        *missing_overrides(prefixed(declared["fieldOverrides"], arguments.prefix), fields),
    ):
        # Building an index takes minutes; Firestore goes on by itself.
        print("gcloud firestore indexes", *words, database, "--async --format=none")  # noqa: T201 (its output)


if __name__ == "__main__":
    main()
