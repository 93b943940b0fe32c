"""Print the gcloud commands, one per line, that create the missing Firestore indexes.

https://firebase.google.com/docs/reference/firestore/indexes
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
    found = {(_group(index["name"]), *_fields(index)) for index in existing}
    for index in declared:
        if (index["collectionGroup"], *_fields(index)) in found:
            continue
        fields = [f"--field-config=field-path={path},{config}" for path, config in _fields(index)]
        scope = f"--query-scope={index['queryScope'].lower()}"
        group = f"--collection-group={index['collectionGroup']}"
        yield ["composite", "create", group, scope, *fields]


def missing_overrides(declared: Sequence[Json], existing: Sequence[Json]) -> Iterator[list[str]]:
    """Yield the command for each field whose own indexes differ from the declared ones."""
    found = {
        (_group(field["name"]), field["name"].rsplit("/", 1)[-1]): _of_field(field["indexConfig"])
        for field in existing
    }
    for field in declared:
        wanted = {(each["queryScope"], each["order"]) for each in field["indexes"]}
        if found.get((field["collectionGroup"], field["fieldPath"])) == wanted:
            continue
        # gcloud creates a field's own index with the scope COLLECTION.
        indexes = [f"--index=order={order.lower()}" for _, order in sorted(wanted)]
        group = f"--collection-group={field['collectionGroup']}"
        yield ["fields", "update", field["fieldPath"], group, *(indexes or ["--disable-indexes"])]


def prefixed(declared: Sequence[Json], prefix: str) -> list[Json]:
    """Return the declarations with the prefix before each collection's name."""
    return [{**each, "collectionGroup": prefix + each["collectionGroup"]} for each in declared]


def _group(name: str) -> str:
    return name.split("/collectionGroups/")[1].split("/", maxsplit=1)[0]


def _fields(index: Json) -> list[tuple[str, str]]:
    """Return the fields of an index as gcloud names them, without the name that Firestore adds."""
    fields = [each for each in index["fields"] if each["fieldPath"] != "__name__"]
    return [(each["fieldPath"], _config(each)) for each in fields]


def _config(field: Json) -> str:
    """Return how a field of an index is sorted, or that it is an array and its values are found."""
    if "arrayConfig" in field:
        return f"array-config={field['arrayConfig'].lower()}"
    return f"order={field['order'].lower()}"


def _of_field(config: Json) -> set[tuple[str, str]]:
    indexes = config.get("indexes", [])
    return {(each["queryScope"], each["fields"][0]["order"]) for each in indexes}


def _listed(kind: str, database: str) -> Any:  # noqa: ANN401 (JSON)
    command = ["gcloud", "firestore", "indexes", kind, "list", database, "--format=json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 (no shell)
    if done.returncode:
        sys.exit(done.stderr.strip())
    return json.loads(done.stdout)


def main() -> None:
    """Compare the file with the database or, with --all, with an empty one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--database", required=True)
    parser.add_argument("--prefix", default="", help="the prefix of the collections' names")
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
        # Firestore builds an index in the background, for minutes.
        print("gcloud firestore indexes", *words, database, "--async --format=none")  # noqa: T201 (its output)


if __name__ == "__main__":
    main()
