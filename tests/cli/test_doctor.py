"""`phoenix doctor`: what it detects, and the remedies it prints."""

import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.doctor import REMEDIES, checks, examine
from shared import settings
from shared.domain.errors import (
    GenerationUnavailable,
    IdentityUnavailable,
    MediaUnavailable,
    QueueUnavailable,
    StoreUnavailable,
    Unavailable,
    WrongSetting,
)
from shared.domain.kind import Kind
from shared.ports.generator import Generator
from shared.wiring import Phoenix
from tests.servers.google_models_server import GoogleModelsServer
from tests.servers.google_models_vendor import SUSPENDED_KEY, WRONG_KEY
from tests.support.environments import GCP
from tests.support.fakes import FakeClock
from tests.support.world import World


class Failing:
    """A port whose methods raise: all of them, or the named ones."""

    def __init__(self, error: Exception, port: Any = None, *methods: str) -> None:
        self._error = error
        self._port = port
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        if self._methods and name not in self._methods:
            return getattr(self._port, name)
        return self._fail

    def _fail(self, *_: object, **__: object) -> Any:
        raise self._error


class OtherMedia:
    """A media store with one different method."""

    def __init__(self, media: Any) -> None:
        self._media = media

    def __getattr__(self, name: str) -> Any:
        return getattr(self._media, name)


class Forgetful(OtherMedia):
    """Reports a deletion that did not happen."""

    def delete(self, key: str) -> None:
        pass


class Truncating(OtherMedia):
    """Reports another size than was written."""

    def size_bytes(self, key: str) -> int | None:
        size_bytes: int | None = self._media.size_bytes(key)
        return size_bytes and size_bytes - 1


class Linked(OtherMedia):
    """Links to a server."""

    def __init__(self, media: Any, base_url: str) -> None:
        super().__init__(media)
        self._base_url = base_url

    def private_link(self, key: str, *, expires_at: datetime) -> str:
        return f"{self._base_url}/{key}"

    def public_link(self, key: str) -> str:
        return f"{self._base_url}/{key}"


def examined(phoenix: Phoenix, *, as_api: bool = False) -> tuple[int, str]:
    out = io.StringIO()
    status = examine(phoenix, Console(file=out, width=80), as_api=as_api)
    return status, out.getvalue()


def with_ports(phoenix: Phoenix, **ports: Any) -> Phoenix:
    return replace(phoenix, ports=replace(phoenix.ports, **ports))


def failures(shown: str) -> dict[str, str]:
    """Return the failure line of each part that failed, with its remedy."""
    lines = shown.splitlines()
    return {
        line[6:26].strip(): f"{line} {following}"
        for line, following in pairwise(lines)
        if line.startswith("FAIL")
    }


def test_healthy_installation_passes_and_keeps_no_test_files(world: World) -> None:
    status, shown = examined(world.phoenix)

    assert status == 0
    assert shown.endswith("All is well\n")
    assert shown.count("ok  ") == len(list(checks(world.phoenix))) == 12
    assert "fake" in shown  # the generator's model
    assert world.stored_keys() == set()


def test_api_mode_skips_the_generators(world: World) -> None:
    status, shown = examined(without_generator(world.phoenix), as_api=True)

    assert status == 0
    assert shown.count("ok  ") == 10
    assert "generator" not in shown


def broken(port: str, error: type[Unavailable], *methods: str) -> Callable[[Phoenix], Phoenix]:
    """Return a function that makes these methods of a port fail, or all of them."""
    return lambda phoenix: with_ports(
        phoenix, **{port: Failing(error(reason=WHY), getattr(phoenix.ports, port), *methods)}
    )


def without_generator(phoenix: Phoenix) -> Phoenix:
    failing = Failing(GenerationUnavailable(reason=WHY))
    return with_ports(phoenix, generator=lambda _: failing)


WHY = "403 [x]"
FILES = {"private files", "public files"}
BREAKS = {
    "store": (broken("store", StoreUnavailable), {"store", "store queries"}),
    **{
        query: (broken("store", StoreUnavailable, query), {"store queries"})
        for query in ("waiting", "held", "overdue", "shared_with")
    },
    "queue": (broken("queue", QueueUnavailable), {"queue, images", "queue, videos"}),
    "users": (broken("identity", IdentityUnavailable), {"users"}),
    "services": (broken("service_identity", IdentityUnavailable), {"services"}),
    "executions": (
        broken("executions", QueueUnavailable),
        {"executions, images", "executions, videos"},
    ),
    "generator": (without_generator, {"generator, images", "generator, videos"}),
    "put": (broken("media", MediaUnavailable, "put"), FILES),
    "size": (broken("media", MediaUnavailable, "size_bytes"), FILES),
    "publish": (broken("media", MediaUnavailable, "publish"), {"public files"}),
    "delete": (broken("media", MediaUnavailable, "delete"), FILES),
}
"""How a part breaks, and which checks fail then."""


@pytest.mark.parametrize(("break_", "parts"), BREAKS.values(), ids=BREAKS)
def test_failed_check_prints_its_reason_and_a_remedy(
    world: World, break_: Callable[[Phoenix], Phoenix], parts: set[str]
) -> None:
    status, shown = examined(break_(world.phoenix))
    failed = failures(shown)

    assert (status, set(failed)) == (1, parts)
    assert all(WHY in text for text in failed.values())
    assert all(
        f"to fix: check that this user can write to PHOENIX_DATA ({world.folder})" in text
        for text in failed.values()
    )
    count = "1 check" if len(failed) == 1 else f"{len(failed)} checks"
    assert f"{count} failed" in shown


@pytest.mark.parametrize(
    "error",
    [
        WrongSetting(setting="PHOENIX_VIDEO_MODEL", reason="no such model"),
        RuntimeError("a bug"),
        KeyError(),
    ],
    ids=repr,
)
def test_unexpected_error_fails_its_check_and_the_others_still_run(
    world: World, error: Exception
) -> None:
    def generator(_: Kind) -> Any:
        raise error

    status, shown = examined(with_ports(world.phoenix, generator=generator))

    assert (status, set(failures(shown))) == (1, {"generator, images", "generator, videos"})
    assert shown.count("ok  ") == 10


@pytest.mark.parametrize(
    ("media", "reason"),
    [(Forgetful, "deleted still exists"), (Truncating, "written is missing")],
)
def test_media_store_that_loses_or_keeps_files_is_detected(
    world: World, media: Callable[[Any], Any], reason: str
) -> None:
    _, shown = examined(with_ports(world.phoenix, media=media(world.media)))

    assert set(failures(shown)) == FILES
    assert all(reason in text for text in failures(shown).values())


# In the cloud


@pytest.fixture
def bucket(world: World) -> Iterator[str]:
    """The address of a server of the world's files."""

    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = world.files.path_of(self.path[1:])
            self.send_response(200 if path.exists() else 404)
            self.end_headers()
            self.wfile.write(path.read_bytes() if path.exists() else b"not here")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name for it)
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def cloud(world: World, bucket: str) -> Phoenix:
    """A world with the settings of the cloud."""
    in_cloud = replace(world.settings, backend=settings.load(GCP).backend)
    phoenix = replace(world.phoenix, settings=in_cloud, local=None)
    return with_ports(phoenix, media=Linked(world.media, bucket))


def test_links_are_opened_in_the_cloud(world: World, cloud: Phoenix) -> None:
    status, shown = examined(cloud)

    assert status == 0, shown
    assert world.stored_keys() == set()


@pytest.mark.parametrize(("break_", "parts"), BREAKS.values(), ids=BREAKS)
def test_cloud_remedy_names_the_setting_and_the_role(
    cloud: Phoenix, break_: Callable[[Phoenix], Phoenix], parts: set[str]
) -> None:
    _, shown = examined(break_(cloud))
    failed = failures(shown)

    assert set(failed) == parts
    for part, text in failed.items():
        name, _, kinds = part.partition(", ")
        kind = kinds.removesuffix("s")
        assert text.endswith(REMEDIES[name].format(kind=kind, KIND=kind.upper()))


def test_every_setting_in_the_remedies_exists() -> None:
    advice = " ".join(REMEDIES.values())
    named = set(re.findall(r"(?:PHOENIX|R2|GOOGLE)_[A-Z{}_0-9]+", advice))

    assert {name.format(KIND=kind.upper()) for name in named for kind in Kind} <= set(
        settings.SETTINGS
    )


def test_unreachable_links_are_detected(world: World, cloud: Phoenix) -> None:
    with socket.socket() as nowhere:
        nowhere.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nowhere.getsockname()[1]}"
        _, shown = examined(with_ports(cloud, media=Linked(world.media, address)))

    assert set(failures(shown)) == FILES
    assert all("its link does not open" in text for text in failures(shown).values())
    assert "R2_PUBLIC_URL" in failures(shown)["public files"]


def test_links_to_another_place_are_detected(world: World, cloud: Phoenix, bucket: str) -> None:
    media = Linked(world.media, f"{bucket}/elsewhere")
    _, shown = examined(with_ports(cloud, media=media))

    assert set(failures(shown)) == FILES
    assert "its link returned 404 instead of the file" in shown


# Real media by one key


@pytest.fixture
def vendor() -> Iterator[GoogleModelsServer]:
    with GoogleModelsServer() as server:
        yield server


def by_key(phoenix: Phoenix, url: str, key: str = "a-good-key", **environment: str) -> Phoenix:
    """Return a local Phoenix that generates real media with this key."""
    given = {"GEMINI_API_KEY": key, "PHOENIX_GENERATOR_ENDPOINT": url, **environment}
    return replace(
        phoenix, settings=replace(phoenix.settings, backend=settings.load(given).backend)
    )


def test_api_key_is_checked_without_a_paid_call(world: World, vendor: GoogleModelsServer) -> None:
    status, shown = examined(by_key(world.phoenix, vendor.url))

    assert status == 0, shown
    assert "gemini-nano-banana-2.1" in shown
    assert "gemini-omni-1.2-flash" in shown
    assert {method for method, _, _ in vendor.vendor.requests} == {"GET"}
    assert vendor.vendor.starts == 0


@pytest.mark.parametrize(
    ("key", "fault", "text"),
    [
        (WRONG_KEY, "", "Google refuses this key (400)"),
        (SUSPENDED_KEY, "", "Google refuses this key (403)"),
        ("a-good-key", "503", "returned 503"),
    ],
)
def test_unusable_api_key_is_detected(
    world: World, vendor: GoogleModelsServer, key: str, fault: str, text: str
) -> None:
    vendor.vendor.faults["model"] = [fault] * 2
    status, shown = examined(by_key(world.phoenix, vendor.url, key))
    failed = failures(shown)

    assert status == 1
    assert set(failed) == {"model, images", "model, videos"}
    assert all(text in each and "GEMINI_API_KEY" in each for each in failed.values())
    assert "PHOENIX_VIDEO_MODEL" in failed["model, videos"]
    assert key not in shown


def test_model_that_the_key_cannot_use_is_named(world: World, vendor: GoogleModelsServer) -> None:
    vendor.vendor.unknown_models = {"gemini-nano-banana-2.1"}
    _, shown = examined(by_key(world.phoenix, vendor.url))

    [text] = failures(shown).values()
    assert "Google does not serve gemini-nano-banana-2.1 to this key" in text


def test_retired_model_of_the_developer_api_is_detected(
    world: World, vendor: GoogleModelsServer
) -> None:
    clock = FakeClock(datetime(2026, 11, 28, tzinfo=UTC))
    phoenix = by_key(world.phoenix, vendor.url, PHOENIX_IMAGE_MODEL="gemini-3.1-flash-image")
    _, shown = examined(with_ports(phoenix, clock=clock))

    assert "retired on 2026-10-29" in failures(shown)["model, images"]


# As a process


def phoenix_doctor(**environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(Path(sys.executable).with_name("phoenix")), "doctor"],
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_exit_status_separates_healthy_failing_and_misconfigured(tmp_path: Path) -> None:
    well = phoenix_doctor(PHOENIX_DATA=str(tmp_path))
    (tmp_path / "generator").rename(tmp_path / "was")
    (tmp_path / "generator").write_text("no folder")
    ill = phoenix_doctor(PHOENIX_DATA=str(tmp_path))
    (tmp_path / "store.db").write_text(json.dumps("no database") * 100)
    broken = phoenix_doctor(PHOENIX_DATA=str(tmp_path))
    (tmp_path / "file").touch()
    nowhere = phoenix_doctor(PHOENIX_DATA=str(tmp_path / "file"))
    wrong = phoenix_doctor(PHOENIX_TYPO="1")
    module = subprocess.run(
        [sys.executable, "-m", "cli", "doctor", "--api", "--data", str(tmp_path / "new")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (module.returncode, module.stderr) == (0, "")
    assert "generator" not in module.stdout
    assert (well.returncode, well.stderr) == (0, "")
    assert well.stdout.endswith("All is well\n")
    for done in (ill, broken, nowhere):
        assert (done.returncode, done.stderr) == (1, "")
        assert "FAIL" in done.stdout
        assert f"to fix: check that this user can write to PHOENIX_DATA ({tmp_path}" in done.stdout
    assert (wrong.returncode, wrong.stderr) == (2, "settings: PHOENIX_TYPO is unknown\n")


def with_video_model(cloud: Phoenix, model: str) -> Phoenix:
    backend = settings.load(GCP | {"PHOENIX_VIDEO_MODEL": model}).backend
    return replace(cloud, settings=replace(cloud.settings, backend=backend))


@pytest.mark.parametrize("as_api", [False, True])
def test_model_that_retires_soon_is_named_with_its_fallback(
    cloud: Phoenix, *, as_api: bool
) -> None:
    the_day_before = FakeClock(datetime(2026, 11, 16, tzinfo=UTC))
    phoenix = with_ports(with_video_model(cloud, "veo-3.1-generate-001"), clock=the_day_before)

    status, shown = examined(phoenix, as_api=as_api)

    assert status == 0, shown
    assert "veo-3.1-generate-001: retires on 2026-11-17, use gemini-omni-1.2-flash" in shown


@pytest.mark.parametrize("as_api", [False, True])
@pytest.mark.parametrize(
    ("model", "why"),
    [("veo-3.1-generate-001", "retired on 2026-11-17"), ("video-1", "is unknown")],
)
def test_unusable_model_fails_and_its_fallbacks_are_named(
    cloud: Phoenix, model: str, why: str, *, as_api: bool
) -> None:
    the_day = FakeClock(datetime(2026, 11, 17, tzinfo=UTC))
    phoenix = with_ports(with_video_model(cloud, model), clock=the_day)

    status, shown = examined(phoenix, as_api=as_api)

    assert (status, set(failures(shown))) == (1, {"model, videos"})
    assert f"{model} {why}; use one of: gemini-omni-1.2-flash, " in shown
    assert "set PHOENIX_VIDEO_MODEL for video-generation-job" in shown


def test_image_without_the_vendor_sdk_reports_the_generator_as_unchecked(world: World) -> None:
    def generator(_kind: Kind) -> Generator:
        raise ModuleNotFoundError(name="google.genai")

    status, shown = examined(with_ports(world.phoenix, generator=generator))

    assert status == 0
    assert "not checked: this image does not contain google.genai" in shown
