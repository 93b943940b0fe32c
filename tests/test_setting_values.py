"""Settings as people paste them: each is normalised, or refused by its name in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.domain.errors import WrongSetting
from shared.settings import GCPBackend, LocalBackend, Settings, load
from tests.support.environments import GCP, SERVICE

R2 = "https://account.r2.cloudflarestorage.com"
R2_EU = "https://0123456789abcdef0123456789abcdef.eu.r2.cloudflarestorage.com"


def gcp(loaded: Settings) -> GCPBackend:
    assert isinstance(loaded.backend, GCPBackend)
    return loaded.backend


@pytest.mark.parametrize(
    ("listed", "origins"),
    [
        ("https://a.example", ("https://a.example",)),
        ("https://a.example/", ("https://a.example",)),
        ("HTTPS://A.Example", ("https://a.example",)),
        ("https://a.example:443", ("https://a.example",)),
        ("http://a.example:80/", ("http://a.example",)),
        ("https://a.example:8443", ("https://a.example:8443",)),
        ("https://xn--bcher-kva.example", ("https://xn--bcher-kva.example",)),
        ("http://localhost:3000", ("http://localhost:3000",)),
        ("http://[0:0:0:0:0:0:0:1]:3000", ("http://[::1]:3000",)),
        ("capacitor://localhost", ("capacitor://localhost",)),
        ("https://a.example,https://A.example:443/", ("https://a.example",)),
        ("", ()),
        (",", ()),
        ("*", ("*",)),
    ],
)
def test_cors_origins_are_normalised_to_what_browsers_send(
    listed: str, origins: tuple[str, ...]
) -> None:
    assert load({"PHOENIX_CORS_ORIGINS": listed}).cors_origins == origins


@pytest.mark.parametrize(
    "origin",
    [
        *["null", "a.example", "https://", "https://a.example/app", "https://*.example"],
        *["https://a.example?x", "https://a.example#x", "https://user:pw@a.example", "htps://a.b"],
        *["https://bücher.example", "https://a.example:0", "https://a.example:70000"],
        *["https://a.example:x", "https://a b.example", "https://a.example https://b.example"],
        *["https://a.example;https://b.example", "https://-a.example", "https://a..example"],
        *["https://a.example.", "https://999.1.1.1", "https://[::1", "https:\\\\a.example"],
        *["*,https://a.example", "https://<domain>", "'https://a.example'", "file:///index.html"],
    ],
)
def test_invalid_origin_is_refused(origin: str) -> None:
    assert_refused({"PHOENIX_CORS_ORIGINS": f"https://ok.example,{origin}"}, "PHOENIX_CORS_ORIGINS")


@pytest.mark.parametrize(
    ("name", "value", "read", "expected"),
    [
        ("R2_ENDPOINT_URL", f"{R2}/drafts", lambda b: b.r2.endpoint_url, R2),
        ("R2_ENDPOINT_URL", f"{R2}/public/", lambda b: b.r2.endpoint_url, R2),
        ("R2_ENDPOINT_URL", f"{R2}:443/", lambda b: b.r2.endpoint_url, R2),
        ("R2_ENDPOINT_URL", R2.upper(), lambda b: b.r2.endpoint_url, R2),
        ("R2_ENDPOINT_URL", f"{R2_EU}/drafts", lambda b: b.r2.endpoint_url, R2_EU),
        ("R2_DRAFTS_BUCKET_NAME", "s3://private/", lambda b: b.r2.drafts_bucket, "private"),
        ("R2_BUCKET_NAME", "r2://shown", lambda b: b.r2.public_bucket, "shown"),
        ("PHOENIX_GENERATOR_BUCKET", "gs://made", lambda b: b.generator_bucket, "made"),
        (
            "PHOENIX_GENERATOR_BUCKET",
            "gs://made.example/",
            lambda b: b.generator_bucket,
            "made.example",
        ),
        (
            "R2_PUBLIC_URL",
            "https://Media.example/",
            lambda b: b.r2.public_url,
            "https://media.example",
        ),
        ("R2_PUBLIC_URL", "https://m.example/x/", lambda b: b.r2.public_url, "https://m.example/x"),
        (
            "R2_PUBLIC_URL",
            "https://pub-1.r2.dev",
            lambda b: b.r2.public_url,
            "https://pub-1.r2.dev",
        ),
        (
            "PHOENIX_FIREBASE_AUTH_DOMAIN",
            "https://A.example/",
            lambda b: b.firebase_auth_domain,
            "a.example",
        ),
        (
            "PHOENIX_SIGN_IN_PROVIDERS",
            "Apple, email,apple",
            lambda b: b.sign_in_providers,
            ("apple", "email"),
        ),
        (
            "PHOENIX_TASKS_INVOKER",
            "serviceAccount:T@x.example",
            lambda b: b.tasks_invoker,
            "t@x.example",
        ),
        (
            "PHOENIX_INTERNAL_ACCOUNTS",
            "serviceAccount:A@x.example, b@x.example",
            lambda b: b.internal_accounts,
            ("a@x.example", "b@x.example"),
        ),
        (
            "GOOGLE_CLOUD_PROJECT",
            "example.com:my-project",
            lambda b: b.project,
            "example.com:my-project",
        ),
    ],
)
def test_value_pasted_from_a_dashboard_is_normalised(
    name: str, value: str, read: Callable[[GCPBackend], object], expected: object
) -> None:
    assert read(gcp(load(GCP | {name: value}))) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("R2_ENDPOINT_URL", f"{R2}/another"),
        ("R2_ENDPOINT_URL", f"{R2}/drafts/folder"),
        ("R2_ENDPOINT_URL", "https://drafts.account.r2.cloudflarestorage.com"),
        ("R2_ENDPOINT_URL", "https://another.0123456789abcdef.r2.cloudflarestorage.com"),
        ("R2_ENDPOINT_URL", "https://drafts.account.eu.r2.cloudflarestorage.com"),
        ("R2_ENDPOINT_URL", "https://r2.cloudflarestorage.com"),
        ("R2_ENDPOINT_URL", "https://pub-1.r2.dev"),
        ("R2_ENDPOINT_URL", "https://<ACCOUNT_ID>.r2.cloudflarestorage.com"),
        ("R2_ENDPOINT_URL", f"{R2}?bucket=drafts"),
        ("R2_PUBLIC_URL", R2),
        ("R2_PUBLIC_URL", f"{R2}/public"),
        ("R2_PUBLIC_URL", "https://account.eu.r2.cloudflarestorage.com/public"),
        ("R2_PUBLIC_URL", "https://media.example/../x"),
        ("R2_PUBLIC_URL", "https://media.example//x"),
        ("R2_PUBLIC_URL", "media.example"),
        ("R2_BUCKET_NAME", "Public"),
        ("R2_BUCKET_NAME", "public/folder"),
        ("R2_BUCKET_NAME", "https://media.example/public"),
        ("R2_BUCKET_NAME", "p"),
        ("PHOENIX_GENERATOR_BUCKET", "gs://made/videos"),
        ("PHOENIX_GENERATOR_BUCKET", "gs://"),
        ("GOOGLE_CLOUD_PROJECT", "123456789012"),
        ("GOOGLE_CLOUD_PROJECT", "projects/phoenix-test"),
        ("GOOGLE_CLOUD_PROJECT", "Phoenix-Test"),
        ("PHOENIX_REGION", "europe-west1-b"),
        ("PHOENIX_REGION", "eu"),
        ("PHOENIX_REGION", "Europe-West1"),
        ("PHOENIX_REGION", "global"),
        ("PHOENIX_FIRESTORE_DATABASE", "projects/p/databases/(default)"),
        ("PHOENIX_FIREBASE_AUTH_DOMAIN", "app.example/__/auth"),
        ("PHOENIX_FIREBASE_AUTH_DOMAIN", "http://app.example"),
        ("PHOENIX_FIREBASE_AUTH_DOMAIN", "app.example:8080"),
        ("PHOENIX_SIGN_IN_PROVIDERS", ","),
        ("PHOENIX_SIGN_IN_PROVIDERS", "google,facebook"),
        ("PHOENIX_TASKS_INVOKER", "tasks@x"),
        ("PHOENIX_TASKS_INVOKER", "Tasks <tasks@x.example>"),
        ("PHOENIX_INTERNAL_ACCOUNTS", "a@x.example b@x.example"),
        ("PHOENIX_INTERNAL_ACCOUNTS", "user:a@x.example"),
        ("PHOENIX_VIDEO_MODEL", "models/veo-3.1-generate-001"),
        ("PHOENIX_BASE_URL", "https://api.example/phoenix"),
        ("PHOENIX_BASE_URL", "https://api.example?x"),
        ("PHOENIX_BASE_URL", "https://user@api.example"),
        ("PHOENIX_BASE_URL", "https:/api.example"),
        *((name, f'"{value}"') for name, value in GCP.items() if name != "PHOENIX_BACKEND"),
        *((name, f"{value} ") for name, value in GCP.items() if name != "PHOENIX_BACKEND"),
        *((name, f"'{value}'\n") for name, value in GCP.items() if name != "PHOENIX_BACKEND"),
    ],
)
def test_malformed_value_is_refused(name: str, value: str) -> None:
    assert_refused(GCP | {name: value}, name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PHOENIX_BASE_URL", "http://127.0.0.1:8080/app"),
        ("PHOENIX_DATA", ""),
        ("PHOENIX_DATA", " .phoenix"),
        ("PHOENIX_DATA", '".phoenix"'),
        ("PHOENIX_DATA", "file:///tmp/phoenix"),
        ("PHOENIX_DATA", "~nobody-of-this-name/phoenix"),
        ("PHOENIX_WELCOME_TOKENS", "9" * 5000),
        ("PHOENIX_WELCOME_TOKENS", "١٢"),
        ("PHOENIX_IMAGE_COST", "1_000"),
        ("PHOENIX_POLICY_LEASE_S", "1_20"),
        ("PHOENIX_POLICY_LEASE_S", "hunter2"),
        ("PHOENIX_POLICY_RETRY_DELAYS_S", "60;120"),
        ("PHOENIX_DAILY_COST_MAX_USD", "1_000"),
    ],
)
def test_malformed_local_value_is_refused(name: str, value: str) -> None:
    assert_refused({name: value}, name)


def assert_refused(environment: dict[str, str], name: str) -> None:
    with pytest.raises(WrongSetting) as refusal:
        load(environment)

    message = str(refusal.value)
    assert message.startswith(f"settings: {name} ")
    assert "\n" not in message
    assert not any(secret in message for secret in ("pw@", "hunter2", "very-secret"))


def test_drafts_bucket_must_differ_from_the_public_one_however_written() -> None:
    for drafts, public in (("gs://media", "media"), ("media/", "s3://media")):
        assert_refused(
            GCP | {"R2_DRAFTS_BUCKET_NAME": drafts, "R2_BUCKET_NAME": public},
            "R2_DRAFTS_BUCKET_NAME",
        )


@pytest.mark.parametrize("name", ["PHOENIX_BASE_URL", "R2_ENDPOINT_URL", "R2_PUBLIC_URL"])
def test_uppercase_http_is_refused_in_the_cloud(name: str) -> None:
    assert_refused(SERVICE | {name: "HTTP://x.example"}, name)


def test_home_folder_is_expanded() -> None:
    backend = load({"PHOENIX_DATA": "~/phoenix"}).backend

    assert isinstance(backend, LocalBackend)
    assert backend.data == Path.home() / "phoenix"
