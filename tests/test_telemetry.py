import errno
import io
import json
import logging
import os
from typing import Any

import pytest

from shared.adapters.system.clock import SystemClock
from shared.telemetry import bind, bind_trace, configure, traceparent
from tests.support.eventually import eventually

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def lines(log_stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log_stream.getvalue().splitlines()]


def test_event_is_one_json_line_with_its_fields(log_stream: io.StringIO) -> None:
    with bind(creation_id="c", attempt=2):
        logging.getLogger("jobs").warning("claimed", extra={"seconds": 1.5})

    [line] = lines(log_stream)
    assert line["severity"] == "WARNING"
    assert line["message"] == "claimed"
    assert line["service"] == "api"
    assert (line["creation_id"], line["attempt"], line["seconds"]) == ("c", 2, 1.5)
    assert line["time"].endswith("+00:00")


def test_bound_fields_end_with_their_block(log_stream: io.StringIO) -> None:
    with bind(outer=1), bind(inner=2):
        pass
    logging.getLogger().info("after")

    assert not {"outer", "inner"} & set(lines(log_stream)[0])


def test_stack_trace_is_in_the_same_line_as_its_message(log_stream: io.StringIO) -> None:
    try:
        int("why")
    except ValueError:
        logging.getLogger().exception("unexpected")

    [line] = lines(log_stream)
    assert line["severity"] == "ERROR"
    assert line["message"] == "unexpected"
    assert "ValueError" in line["stack_trace"]


def test_heartbeat_lines_carry_the_fields_of_their_attempt(log_stream: io.StringIO) -> None:
    clock = SystemClock()
    with bind(creation_id="c"), clock.every(0.01, lambda: logging.getLogger().info("beat")):
        eventually(lambda: "beat" in log_stream.getvalue())

    assert {line["creation_id"] for line in lines(log_stream)} == {"c"}


def test_trace_is_in_every_line_and_can_be_propagated(log_stream: io.StringIO) -> None:
    with bind_trace(TRACE):
        logging.getLogger().info("inside")
        handed_on = traceparent()

    assert handed_on == TRACE
    assert lines(log_stream)[0]["traceparent"] == TRACE
    assert "logging.googleapis.com/trace" not in lines(log_stream)[0]
    assert traceparent() is None


def test_trace_in_a_project_has_the_format_of_cloud_trace(log_stream: io.StringIO) -> None:
    configure("api", project="phoenix-test", stream=log_stream)
    logging.getLogger().info("without")
    with bind_trace(TRACE):
        logging.getLogger().info("sampled")
    with bind_trace(TRACE.removesuffix("01") + "00"):
        logging.getLogger().info("unsampled")

    without, sampled, unsampled = lines(log_stream)
    assert not [key for key in without if key.startswith("logging.googleapis.com/")]
    assert sampled["logging.googleapis.com/trace"] == (
        "projects/phoenix-test/traces/4bf92f3577b34da6a3ce929d0e0e4736"
    )
    assert sampled["logging.googleapis.com/spanId"] == "00f067aa0ba902b7"
    assert sampled["logging.googleapis.com/trace_sampled"] is True
    assert unsampled["logging.googleapis.com/trace_sampled"] is False


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        TRACE + "\n",
        TRACE.upper(),
        TRACE.replace("00-", "01-", 1),
        "00-" + "0" * 32 + TRACE[35:],
        TRACE[:36] + "0" * 16 + "-01",
        "00-secret",
    ],
)
def test_invalid_trace_is_not_bound(sent: str | None) -> None:
    with bind_trace(sent):
        assert traceparent() is None


class FullDisk(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.usefixtures("log_stream")  # which puts the handlers back
def test_full_disk_prints_no_logging_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("cli", stream=FullDisk())
    logging.getLogger("cli").info("lost")

    assert capsys.readouterr().err == ""
