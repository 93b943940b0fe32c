import pytest

from shared.domain.errors import WrongSetting
from shared.domain.policy import Policy
from shared.settings import is_in_cloud, load


def test_without_any_setting_everything_is_local() -> None:
    loaded = load({})

    assert loaded.backend.data.name == ".phoenix"
    assert loaded.backend.data.is_absolute()
    assert loaded.base_url == "http://127.0.0.1:8080"
    assert loaded.cors_origins == ()
    assert loaded.welcome_tokens == 100
    assert (loaded.costs.image_tokens, loaded.costs.video_tokens) == (1, 10)
    assert loaded.policy == Policy()


def test_settings_are_read() -> None:
    loaded = load(
        {
            "PHOENIX_BASE_URL": "https://api.example/",
            "PHOENIX_CORS_ORIGINS": "https://a.example, https://b.example,",
            "PHOENIX_WELCOME_TOKENS": "0",
            "PHOENIX_VIDEO_COST": "12",
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
    assert loaded.policy.lease_s == 90.5
    assert loaded.policy.retry_delays_s == (1, 2.5)
    assert loaded.policy.attempts_max == 3


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
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(WrongSetting, match=name):
        load({name: value})


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("PHOENIX_POLICY_LEASE_S", "nan", "lease_s"),
        ("PHOENIX_POLICY_LEASE_S", "30", "lease_s"),
        ("PHOENIX_POLICY_DEADLINE_S", "100", "deadline_s"),
    ],
)
def test_constants_that_break_the_protocol_are_named(name: str, value: str, named: str) -> None:
    with pytest.raises(WrongSetting, match=named):
        load({name: value})


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(WrongSetting) as refusal:
        load({"PHOENIX_TYPO": "1", "PHOENIX_IMAGE_COST": "0", "PHOENIX_POLICY_LEASE_S": "1"})

    assert all(part in str(refusal.value) for part in ("TYPO", "IMAGE_COST", "lease_s"))
    assert "\n" not in str(refusal.value)


def test_the_cloud_is_known_by_what_cloud_run_sets() -> None:
    assert is_in_cloud({"K_SERVICE": "phoenix-api"})
    assert is_in_cloud({"CLOUD_RUN_JOB": "video-generation-job"})
    assert not is_in_cloud({"CLOUD_RUN_JOB": "local/video-generation-job"})
    assert not is_in_cloud({})


@pytest.mark.parametrize("cloud", [{"K_SERVICE": "x"}, {"CLOUD_RUN_JOB": "x"}])
def test_the_local_backend_is_refused_in_the_cloud(cloud: dict[str, str]) -> None:
    with pytest.raises(WrongSetting, match="PHOENIX_BACKEND"):
        load(cloud)
