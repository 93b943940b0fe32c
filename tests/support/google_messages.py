"""Parse metrics, alerts and a dashboard with gcloud's message types; print unknown fields.

Runs with the Python of the Google Cloud SDK, which contains the types:
`python tests/support/google_messages.py FOLDER`.
"""

import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

FILES = {
    "metrics/*.json": ("logging", "v2", "LogMetric"),
    "alerts/*.json": ("monitoring", "v3", "AlertPolicy"),
    "dashboard.json": ("monitoring", "v1", "Dashboard"),
}


def main(folder: Path) -> None:
    """Print the path of every unknown field; raise for a value of a wrong type."""
    library = Path(shutil.which("gcloud") or "").resolve().parents[1] / "lib"
    sys.path[:0] = [str(library), str(library / "third_party")]
    encoding = import_module("apitools.base.py.encoding")
    apis = import_module("googlecloudsdk.api_lib.util.apis")
    for pattern, (api, version, name) in FILES.items():
        message_type = getattr(apis.GetMessagesModule(api, version), name)
        for path in sorted(folder.glob(pattern)):
            message = encoding.JsonToMessage(message_type, path.read_text())
            for field in unknown(message):
                print(f"{path.name}: {field}")  # noqa: T201 (the output of this program)


def unknown(message: Any, path: str = "") -> Iterator[str]:
    """Yield the unknown fields of a message and of its nested messages."""
    yield from (f"{path}{field}" for field in message.all_unrecognized_fields())
    for field in message.all_fields():
        value = getattr(message, field.name)
        for each in value if field.repeated else [value]:
            if hasattr(each, "all_unrecognized_fields"):
                yield from unknown(each, f"{path}{field.name}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
