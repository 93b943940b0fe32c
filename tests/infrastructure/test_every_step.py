"""Provisioning that fails at each step: it names the step, and a rerun continues.

Here gcloud is a fake of a few lines, because it is called thousands of times: it knows what was
created, and refuses every change the first time.
"""

import subprocess
from pathlib import Path

import pytest

from tests.infrastructure.conftest import SCRIPTS, new_checkout

pytestmark = pytest.mark.slow

STAND_IN = r"""#!/bin/bash
# Remembers in $STATE; only builtins, to be fast.
words="$*"
name=$3
case $words in
  "auth "*) echo token; exit ;;
  "projects describe "*) echo ACTIVE; exit ;;
  "billing "*) echo True; exit ;;
  *" list "*) echo "[]"; exit ;;
  "run services "*) key=run-phoenix-api name=$4 ;;
  "run deploy "*) key=run-phoenix-api ;;
  "run jobs describe "* | "run jobs deploy "*) key="run-jobs-$4" ;;
  "scheduler jobs "*) key="schedule-${words#scheduler jobs * }"; key=${key#*http }; key=${key%% *} ;;
  "secrets versions "*) key=secret-version ;;
  "secrets describe "* | "secrets create "*) key="secret-$3" ;;
  *) key="$1-$2-${4%@*}" ;;
esac
key="${key//[\/ ]/_}"
key=${key#schedule-}
if [[ $words == *" describe "* ]]; then
  [[ -e $STATE/created-$key ]] || { echo NOT_FOUND >&2; exit 1; }
  [[ $words == *value* ]] && echo "an/image:1 a-mark"
  exit 0
fi
call="${words//[\/ *]/_}"
call="call-${call:0:100}${call: -120}"
echo "$words" >>"$STATE/changes"
if [[ ! -e $STATE/$call ]]; then
  : >"$STATE/$call"
  echo "refused: $words" >&2
  exit 1
fi
: >"$STATE/created-$key"
"""
PYTHON = r"""#!/bin/bash
[[ $1 != -c && $* != *--check* ]] || exit 0
[[ $1 == *firestore_indexes.py ]] || exec gcloud python "$@"
echo "gcloud firestore indexes composite create one"
echo "gcloud firestore indexes composite create two"
"""
RUNS_MAX = 120


def test_each_failing_step_is_named_and_a_rerun_continues(tmp_path: Path) -> None:
    checkout = new_checkout(tmp_path, "http://127.0.0.1:1")
    commands, state = tmp_path / "bin", tmp_path / "state"
    commands.mkdir()
    state.mkdir()
    for name, text in {"gcloud": STAND_IN, "python": PYTHON}.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    changes = state / "changes"
    stops: list[str] = []
    steps: list[str] = []
    for _ in range(RUNS_MAX):
        changes.write_text("")
        done = subprocess.run(
            [checkout / SCRIPTS / "provision.sh"],
            env={
                "PATH": f"{commands}:/usr/bin:/bin",
                "STATE": str(state),
                "PYTHON": str(commands / "python"),
                "R2_ADMIN_ACCESS_KEY_ID": "x",
                "R2_ADMIN_SECRET_ACCESS_KEY": "x",
                "R2_SECRET_ACCESS_KEY": "x",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode == 0:
            break
        refused, *lines = [line for line in done.stderr.splitlines() if line != "NOT_FOUND"]
        assert refused == f"refused: {changes.read_text().splitlines()[-1]}"
        assert "stopped at: " in lines[0]
        assert lines[-1].startswith("provision.sh stopped at: ")
        stops.append(refused)
        steps.append(lines[0].split("stopped at: ")[1].partition(". Fix")[0])

    assert done.returncode == 0
    assert "Next steps" in done.stdout
    assert len(stops) == len(set(stops)) > 60
    assert {"services of the project", "Firestore indexes", "R2 buckets", "grants on the jobs"} < (
        set(steps)
    )
    assert "service account phoenix-deployer" in steps
