import pytest

from shared.domain.errors import WrongSetting
from shared.domain.kind import Kind
from shared.domain.policy import Policy
from shared.settings import SETTINGS, GCPBackend, LocalBackend, load
from shared.settings.backends import GEMINI_API_MODELS
from shared.settings.guards import FAKE_ENDPOINTS, is_in_cloud
from tests.support.environments import GCP, JOB, SERVICE

WELCOME_KEY = "0123456789abcdef0123456789abcdef"


def test_backend_is_local_without_any_setting() -> None:
    loaded = load({})

    assert isinstance(loaded.backend, LocalBackend)
    assert loaded.backend.data.name == ".phoenix"
    assert loaded.backend.data.is_absolute()
    assert loaded.base_url == "http://127.0.0.1:8080"
    assert loaded.cors_origins == ()
    assert loaded.welcome_tokens == 100
    assert (loaded.costs.image_tokens, loaded.costs.video_tokens) == (1, 10)
    assert loaded.policy == Policy()
    assert loaded.daily_cost_max_usd is None


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "ten", ""])
def test_cost_ceiling_must_be_a_dollar_amount(text: str) -> None:
    with pytest.raises(WrongSetting, match="PHOENIX_DAILY_COST_MAX_USD is not usable"):
        load({"PHOENIX_DAILY_COST_MAX_USD": text})


def test_settings_are_read() -> None:
    loaded = load(
        {
            "PHOENIX_BASE_URL": "https://api.example/",
            "PHOENIX_CORS_ORIGINS": "https://a.example, https://b.example,",
            "PHOENIX_WELCOME_TOKENS": "0",
            "PHOENIX_VIDEO_COST": "12",
            "PHOENIX_DAILY_COST_MAX_USD": "49.5",
            "PHOENIX_POLICY_LEASE_S": "90.5",
            "PHOENIX_POLICY_RETRY_DELAYS_S": "1, 2.5",
            "PHOENIX_POLICY_ATTEMPTS_MAX": "3",
            "PHOENIX_REQUIRE": "browser",
            "PATH": "/bin",
        }
    )

    assert loaded.base_url == "https://api.example"
    assert loaded.cors_origins == ("https://a.example", "https://b.example")
    assert (loaded.welcome_tokens, loaded.costs.video_tokens) == (0, 12)
    assert loaded.daily_cost_max_usd == 49.5
    assert loaded.policy.lease_s == 90.5
    assert loaded.policy.retry_delays_s == (1, 2.5)
    assert loaded.policy.attempts_max == 3


@pytest.mark.parametrize("environment", [GCP, SERVICE, JOB], ids=["here", "service", "job"])
def test_cloud_loads_from_its_required_settings(environment: dict[str, str]) -> None:
    loaded = load(environment)
    backend = loaded.backend

    assert isinstance(backend, GCPBackend)
    assert (loaded.base_url, loaded.welcome_tokens) == ("https://api.example", 0)
    assert (backend.project, backend.region) == ("phoenix-test", "europe-west1")
    assert (backend.database, backend.collection_prefix) == ("(default)", "")
    assert backend.tasks_invoker == "tasks@phoenix-test.iam.gserviceaccount.com"
    assert backend.internal_audience == "https://phoenix.example/internal"
    assert backend.internal_accounts == ("scheduler@phoenix-test.iam.gserviceaccount.com",)
    assert backend.video_model == "gemini-omni-1.2-flash"
    assert backend.image_model == "gemini-3.1-flash-image"
    assert backend.generator_bucket == "phoenix-test-generated"
    assert backend.r2.endpoint_url == "https://account.r2.cloudflarestorage.com"
    assert (backend.r2.access_key_id, backend.r2.secret_access_key) == ("key", "very-secret")
    assert (backend.r2.drafts_bucket, backend.r2.public_bucket) == ("drafts", "public")
    assert backend.r2.public_url == "https://media.example"
    assert set(vars(backend.endpoints).values()) == {None}


def test_optional_cloud_settings_are_read() -> None:
    loaded = load(
        SERVICE
        | {
            "PHOENIX_FIRESTORE_DATABASE": "media",
            "PHOENIX_COLLECTION_PREFIX": "staging_",
            "PHOENIX_INTERNAL_ACCOUNTS": "a@x.example, b@x.example",
            "PHOENIX_VIDEO_MODEL": "veo-3.1-generate-001",
            "PHOENIX_IMAGE_MODEL": "gemini-3-pro-image",
            "PHOENIX_WELCOME_TOKENS": "5",
            "PHOENIX_WELCOME_KEY": WELCOME_KEY,
        }
    )
    backend = loaded.backend

    assert isinstance(backend, GCPBackend)
    assert (backend.database, backend.collection_prefix) == ("media", "staging_")
    assert backend.internal_accounts == ("a@x.example", "b@x.example")
    assert backend.video_model == "veo-3.1-generate-001"
    assert backend.image_model == "gemini-3-pro-image"
    assert (loaded.welcome_tokens, backend.welcome_key) == (5, WELCOME_KEY)


@pytest.mark.parametrize("environment", [GCP, SERVICE, JOB], ids=["here", "service", "job"])
def test_cloud_that_grants_welcome_tokens_needs_their_key(environment: dict[str, str]) -> None:
    granting = environment | {"PHOENIX_WELCOME_TOKENS": "5"}

    with pytest.raises(WrongSetting, match="PHOENIX_WELCOME_KEY must be set"):
        load(granting)
    with pytest.raises(WrongSetting, match="PHOENIX_WELCOME_KEY is not usable: use at least 32"):
        load(granting | {"PHOENIX_WELCOME_KEY": "short"})
    assert load(environment | {"PHOENIX_WELCOME_TOKENS": "00"}).welcome_tokens == 0


KEY = {"GEMINI_API_KEY": "a-very-secret-key"}


@pytest.mark.parametrize(
    ("environment", "is_gemini"),
    [
        ({}, False),
        ({"GEMINI_API_KEY": ""}, False),
        ({"GEMINI_API_KEY": " "}, False),
        ({"PHOENIX_GENERATOR": "sample"}, False),
        (KEY | {"PHOENIX_GENERATOR": "sample"}, False),
        (KEY, True),
        (KEY | {"PHOENIX_GENERATOR": "gemini"}, True),
    ],
)
def test_api_key_selects_gemini_unless_sample_is_chosen(
    environment: dict[str, str], *, is_gemini: bool
) -> None:
    backend = load(environment).backend

    assert isinstance(backend, LocalBackend)
    assert (backend.gemini is not None) is is_gemini


def test_developer_api_has_its_own_models() -> None:
    backend = load(KEY).backend
    other = load(KEY | {"PHOENIX_IMAGE_MODEL": "gemini-3-pro-image"}).backend

    assert isinstance(backend, LocalBackend)
    assert isinstance(other, LocalBackend)
    assert backend.gemini is not None
    assert other.gemini is not None
    assert backend.gemini.api_key == KEY["GEMINI_API_KEY"]
    assert [backend.gemini.model_of(kind) for kind in Kind] == [
        *reversed(GEMINI_API_MODELS.values())
    ]
    assert other.gemini.model_of(Kind.IMAGE) == "gemini-3-pro-image"


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"PHOENIX_GENERATOR": "gemini"}, "GEMINI_API_KEY must be set"),
        ({"PHOENIX_GENERATOR": "gemini", "GEMINI_API_KEY": ""}, "GEMINI_API_KEY must be set"),
        ({"PHOENIX_GENERATOR": "veo"}, "PHOENIX_GENERATOR is not usable: use sample or gemini"),
        ({"PHOENIX_GENERATOR": ""}, "PHOENIX_GENERATOR is not usable: use sample or gemini"),
        ({"GEMINI_API_KEY": "a\nb"}, "GEMINI_API_KEY is not usable: leave out spaces"),
        ({"GEMINI_API_KEY": "clé"}, "GEMINI_API_KEY is not usable: use the key as Google shows"),
        ({"GEMINI_API_KEY": "a\x07b"}, "GEMINI_API_KEY is not usable: use the key as Google"),
        (KEY | {"PHOENIX_GENERATOR_ENDPOINT": "https://x.example"}, "PHOENIX_GENERATOR_ENDPOINT"),
        (GCP | {"PHOENIX_GENERATOR": "gemini"}, "PHOENIX_GENERATOR is not usable: only the local"),
        (GCP | {"PHOENIX_GENERATOR": "sample"}, "PHOENIX_GENERATOR is not usable: only the local"),
        (GCP | {"PHOENIX_ADMINS": ""}, "PHOENIX_ADMINS is not usable: only the local"),
        ({"PHOENIX_ADMINS": "ada,B"}, "PHOENIX_ADMINS is not usable: use usernames"),
    ],
)
def test_wrong_generator_setting_is_named(environment: dict[str, str], named: str) -> None:
    with pytest.raises(WrongSetting) as refusal:
        load(environment)

    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_cloud_ignores_an_api_key() -> None:
    assert load(GCP | KEY).backend == load(GCP).backend


def test_repr_hides_secrets() -> None:
    shown = repr(load(GCP | {"PHOENIX_WELCOME_KEY": WELCOME_KEY}))

    assert "very-secret" not in shown
    assert WELCOME_KEY not in shown
    assert "very-secret" not in repr(load(KEY))


def test_all_missing_settings_are_named_at_once() -> None:
    with pytest.raises(WrongSetting) as refusal:
        load({"PHOENIX_BACKEND": "gcp", "R2_BUCKET_NAME": " ", "R2_SECRET_ACCESS_KEY": ""})

    named = str(refusal.value).removeprefix("settings: ").removesuffix(" must be set").split(", ")
    assert sorted(named) == sorted(GCP.keys() - {"PHOENIX_BACKEND"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PHOENIX_TYPO", "1"),
        ("PHOENIX_POLICY_TYPO", "1"),
        ("PHOENIX_WELCOME_TOKENS", "-1"),
        ("PHOENIX_WELCOME_TOKENS", "ten"),
        ("PHOENIX_VIDEO_COST", "0"),
        ("PHOENIX_IMAGE_COST", "1.5"),
        ("PHOENIX_BASE_URL", "localhost"),
        ("PHOENIX_POLICY_LEASE_S", "x"),
        ("PHOENIX_POLICY_RETRY_DELAYS_S", "1,x"),
        ("PHOENIX_BACKEND", "aws"),
        ("PHOENIX_BACKEND", ""),
    ],
)
def test_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(WrongSetting, match=name):
        load({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PHOENIX_BASE_URL", "api.example"),
        ("GOOGLE_CLOUD_PROJECT", "my project"),
        ("PHOENIX_TASKS_INVOKER", "tasks"),
        ("PHOENIX_INTERNAL_ACCOUNTS", ","),
        ("PHOENIX_INTERNAL_ACCOUNTS", "scheduler@x.example,scheduler"),
        ("PHOENIX_COLLECTION_PREFIX", "a/b"),
        ("PHOENIX_VIDEO_MODEL", ""),
        ("R2_ENDPOINT_URL", "account.r2.cloudflarestorage.com"),
        ("R2_SECRET_ACCESS_KEY", "very-secret\n"),
        ("R2_DRAFTS_BUCKET_NAME", "public"),
        ("FIREBASE_AUTH_EMULATOR_HOST", "127.0.0.1:9099"),
        *((name, "https://127.0.0.1:8080") for name in FAKE_ENDPOINTS),
        ("PHOENIX_IDENTITY_ENDPOINT", "http://identity.example:80"),
        ("PHOENIX_IDENTITY_ENDPOINT", "http://127.0.0.1@identity.example:80"),
        ("PHOENIX_IDENTITY_ENDPOINT", "http://127.0.0.1:80@identity.example:80"),
        ("PHOENIX_IDENTITY_ENDPOINT", "http://127.0.0.1.identity.example:80"),
        ("PHOENIX_IDENTITY_ENDPOINT", "http://10.0.0.1:80"),
        ("PHOENIX_IDENTITY_ENDPOINT", "http://127.0.0.1"),
        ("PHOENIX_IDENTITY_ENDPOINT", "http://127.0.0.1:x"),
        ("PHOENIX_IDENTITY_ENDPOINT", "http://127.0.0.1:80/?a"),
        ("PHOENIX_IDENTITY_ENDPOINT", ""),
    ],
)
def test_wrong_cloud_setting_is_named_without_its_value(name: str, value: str) -> None:
    with pytest.raises(WrongSetting, match=name) as refusal:
        load(GCP | {name: value})

    assert "very-secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("PHOENIX_POLICY_LEASE_S", "nan", "lease_s"),
        ("PHOENIX_POLICY_LEASE_S", "30", "lease_s"),
        ("PHOENIX_POLICY_DEADLINE_S", "100", "deadline_s"),
    ],
)
def test_policy_values_that_break_the_protocol_are_named(name: str, value: str, named: str) -> None:
    for environment in ({}, SERVICE):
        with pytest.raises(WrongSetting, match=named):
            load(environment | {name: value})


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(WrongSetting) as refusal:
        load({"PHOENIX_TYPO": "1", "PHOENIX_IMAGE_COST": "0", "PHOENIX_POLICY_LEASE_S": "1"})

    assert all(part in str(refusal.value) for part in ("TYPO", "IMAGE_COST", "lease_s"))
    assert "\n" not in str(refusal.value)


def test_cloud_is_detected_by_the_variables_of_cloud_run() -> None:
    assert is_in_cloud({"K_SERVICE": "phoenix-api"})
    assert is_in_cloud({"K_SERVICE": ""})
    assert is_in_cloud({"CLOUD_RUN_JOB": "video-generation-job"})
    assert is_in_cloud({"CLOUD_RUN_JOB": ""})
    assert is_in_cloud({"CLOUD_RUN_JOB": "local/x", "K_SERVICE": "phoenix-api"})
    assert not is_in_cloud({"CLOUD_RUN_JOB": "local/video-generation-job"})
    assert not is_in_cloud({})


def test_fake_endpoints_are_accepted_outside_the_cloud() -> None:
    loaded = load(
        GCP
        | dict.fromkeys(FAKE_ENDPOINTS, "http://127.0.0.1:8080/")
        | {
            "PHOENIX_BASE_URL": "http://127.0.0.1:8080",
            "R2_ENDPOINT_URL": "http://127.0.0.1:5000",
            "R2_PUBLIC_URL": "http://127.0.0.1:5000/public",
            "FIRESTORE_EMULATOR_HOST": "127.0.0.1:8081",
            "CLOUD_RUN_JOB": "local/video-generation-job",
        }
    )

    assert isinstance(loaded.backend, GCPBackend)
    assert set(vars(loaded.backend.endpoints).values()) == {"http://127.0.0.1:8080"}


def test_every_fake_endpoint_has_a_guard() -> None:
    assert set(FAKE_ENDPOINTS) == {name for name in SETTINGS if name.endswith("_ENDPOINT")}
