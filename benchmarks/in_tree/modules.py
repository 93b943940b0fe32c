"""Run a job's module to its end, and print the vendors' modules that it has imported.

    python -P modules.py MODULE

Vendors' modules are those of installed packages, and sqlite3. One line of JSON on standard output.
"""

import json
import runpy
import sys


def main() -> None:
    module = sys.argv.pop(1)
    sys.argv[0] = module
    known = set(sys.modules)
    try:
        runpy.run_module(module, run_name="__main__")
    finally:
        print(json.dumps([name for name in sys.modules if name not in known and is_vendors(name)]))  # noqa: T201 (read by the benchmark)


def is_vendors(name: str) -> bool:
    if name.partition(".")[0] == "sqlite3":
        return True
    file = getattr(sys.modules[name], "__file__", None) or ""
    return "site-packages" in file


if __name__ == "__main__":
    main()
