"""ffmpeg is the packaged program, with an empty environment."""

import os
from pathlib import Path

import pytest

from shared.ffmpeg import run_ffmpeg


def test_ffmpeg_is_always_the_packaged_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    other.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(other))

    finished = run_ffmpeg(["-version"], timeout_s=30)

    assert finished.exit_status == 0
    assert not (tmp_path / "was-run").exists()


def test_ffmpeg_gets_an_empty_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFREPORT is the only variable with a visible effect: a report file."""
    monkeypatch.setenv("FFREPORT", f"file={tmp_path}/report.log:level=32")

    run_ffmpeg(["-version"], timeout_s=30)

    assert "FFREPORT" in os.environ
    assert list(tmp_path.iterdir()) == []
