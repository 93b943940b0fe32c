"""What a process is told by its environment, checked before anything starts.

Everything that is wrong is named at once, in one line, by its variable.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from shared.domain.errors import WrongSetting
from shared.domain.kind import Kind
from shared.domain.policy import Costs, Policy
from shared.settings.addresses import (
    base_url,
    host_name,
    on_this_machine,
    origins,
    r2_endpoint,
    r2_public_url,
)
from shared.settings.gemini import GeminiAPI, not_in_the_cloud, read_gemini
from shared.settings.guards import refusals
from shared.settings.reader import (
    Reader,
    account,
    accounts,
    bucket,
    count,
    database,
    dollars,
    folder,
    model,
    number,
    prefix,
    price,
    project,
    region,
    secret,
    word,
    words,
)

DEFAULT_PORT = 8080
DEFAULT_DATA = ".phoenix"
LOCAL_WELCOME_TOKENS = 100
GCP_WELCOME_TOKENS = 0
DEFAULT_DATABASE = "(default)"
GCP_MODELS = {Kind.VIDEO: "gemini-omni-1.2-flash", Kind.IMAGE: "gemini-3.1-flash-image"}

POLICY_SETTINGS = {f"PHOENIX_POLICY_{field.name.upper()}": field for field in fields(Policy)}
SETTINGS = {
    "PHOENIX_BACKEND": "where it runs: `local` is this machine, `gcp` Google Cloud with R2",
    "PHOENIX_DATA": "local: the folder of everything that is kept",
    "PHOENIX_GENERATOR": "local: what makes the media: `sample` draws, `gemini` is real and paid",
    "GEMINI_API_KEY": "local: a key of Google's developer API, for `gemini`",
    "PHOENIX_BASE_URL": "the address that clients use; links begin with it",
    "PHOENIX_CORS_ORIGINS": "origins, separated by commas, whose pages may call the API",
    "PHOENIX_WELCOME_TOKENS": "tokens of a verified address, granted once",
    "PHOENIX_WELCOME_KEY": "gcp: hashes verified addresses into ids of grants; never changes",
    "PHOENIX_IMAGE_COST": "tokens for one image",
    "PHOENIX_VIDEO_COST": "tokens for one video",
    "PHOENIX_DAILY_COST_MAX_USD": "the vendor cost of a UTC day at which creating stops",
    "GOOGLE_CLOUD_PROJECT": "gcp: the project, also of Firebase",
    "PHOENIX_FIREBASE_API_KEY": "gcp: the key of Firebase's web app, which is public",
    "PHOENIX_FIREBASE_AUTH_DOMAIN": "gcp: where Firebase's web app signs people in",
    "PHOENIX_REGION": "gcp: where the queues and the jobs are",
    "PHOENIX_FIRESTORE_DATABASE": "gcp: the id of the database",
    "PHOENIX_COLLECTION_PREFIX": "gcp: what the name of every collection begins with",
    "PHOENIX_TASKS_INVOKER": "gcp: the service account that a task starts a job as",
    "PHOENIX_INTERNAL_AUDIENCE": "gcp: the audience of the tokens for `/internal/*`",
    "PHOENIX_INTERNAL_ACCOUNTS": "gcp: service accounts, by commas, that may call `/internal/*`",
    "PHOENIX_VIDEO_MODEL": "gcp and `gemini`: the model that makes videos",
    "PHOENIX_IMAGE_MODEL": "gcp and `gemini`: the model that makes images",
    "PHOENIX_GENERATOR_BUCKET": "gcp: the bucket where a generator leaves its videos",
    "R2_ENDPOINT_URL": "gcp: the address of R2's S3 interface",
    "R2_ACCESS_KEY_ID": "gcp: a key that may read, write and delete in both buckets",
    "R2_SECRET_ACCESS_KEY": "gcp: its secret",
    "R2_DRAFTS_BUCKET_NAME": "gcp: the private bucket",
    "R2_BUCKET_NAME": "gcp: the public bucket",
    "R2_PUBLIC_URL": "gcp: the address under which everybody reads the public bucket",
    "PHOENIX_IDENTITY_ENDPOINT": "tests only: stands in for Firebase's and Google's identities",
    "PHOENIX_TASKS_ENDPOINT": "tests only: stands in for Cloud Tasks",
    "PHOENIX_RUN_ENDPOINT": "tests only: stands in for the Cloud Run Admin API and for grants",
    "PHOENIX_GENERATOR_ENDPOINT": "tests only: stands in for the generators",
    "PHOENIX_REQUIRE": "tests only: parts of the machine that must be there",
}
"""Every variable that is known, beside `POLICY_SETTINGS`."""


@dataclass(frozen=True)
class LocalBackend:
    """Everything on this machine, under one folder."""

    data: Path
    gemini: GeminiAPI | None = None
    """What makes the media; None is the sample generator."""


@dataclass(frozen=True, kw_only=True)
class R2Buckets:
    """Where media files are, and the key to them."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    drafts_bucket: str
    public_bucket: str
    public_url: str


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Servers on this machine that stand in for Google's, without credentials; never in the cloud.

    Firestore's own is FIRESTORE_EMULATOR_HOST, which its library reads.
    """

    identity: str | None
    tasks: str | None
    run: str | None
    generator: str | None


@dataclass(frozen=True, kw_only=True)
class GCPBackend:
    """Firestore, Cloud Tasks, Cloud Run, Firebase and the generators of one project; files in R2."""

    project: str
    firebase_api_key: str
    firebase_auth_domain: str
    region: str
    database: str
    collection_prefix: str
    tasks_invoker: str
    internal_audience: str
    internal_accounts: tuple[str, ...]
    video_model: str
    image_model: str
    generator_bucket: str
    welcome_key: str = field(repr=False)
    r2: R2Buckets
    endpoints: Endpoints

    def model_of(self, kind: Kind) -> str:
        """Return the model that makes this kind."""
        return self.video_model if kind is Kind.VIDEO else self.image_model


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A checked environment; `environment` itself is what a job's process is given."""

    backend: LocalBackend | GCPBackend
    base_url: str
    cors_origins: tuple[str, ...]
    welcome_tokens: int
    costs: Costs
    policy: Policy
    daily_cost_max_usd: float | None = None
    environment: Mapping[str, str] = field(repr=False)


def load(environment: Mapping[str, str]) -> Settings:
    """Return the settings, or raise one `WrongSetting` that names everything that is wrong."""
    reader = Reader(environment)
    backend = _backend(reader)
    is_local = isinstance(backend, LocalBackend)
    settings = Settings(
        backend=backend,
        base_url=(
            reader.value("PHOENIX_BASE_URL", f"http://127.0.0.1:{DEFAULT_PORT}", base_url)
            if is_local
            else reader.required("PHOENIX_BASE_URL", base_url)
        ),
        cors_origins=reader.value("PHOENIX_CORS_ORIGINS", (), origins),
        welcome_tokens=reader.value(
            "PHOENIX_WELCOME_TOKENS",
            LOCAL_WELCOME_TOKENS if is_local else GCP_WELCOME_TOKENS,
            count,
        ),
        costs=_costs(reader),
        policy=_policy(reader),
        daily_cost_max_usd=reader.value("PHOENIX_DAILY_COST_MAX_USD", None, dollars),
        environment=environment,
    )
    problems = [*reader.problems, *_unknown(environment), *refusals(environment)]
    if reader.missing:
        problems.insert(0, f"{', '.join(reader.missing)} must be set")
    if problems:
        raise WrongSetting(setting="settings", reason="; ".join(problems))
    return settings


def _unknown(environment: Mapping[str, str]) -> list[str]:
    known = SETTINGS.keys() | POLICY_SETTINGS.keys()
    return [
        f"{name} is unknown"
        for name in sorted(environment)
        if name.startswith("PHOENIX_") and name not in known
    ]


def _backend(reader: Reader) -> LocalBackend | GCPBackend:
    name = reader.value("PHOENIX_BACKEND", "local", _backend_name)
    if name == "gcp":
        return _gcp(reader)
    data = reader.value("PHOENIX_DATA", Path(DEFAULT_DATA).absolute(), folder)
    return LocalBackend(data, gemini=read_gemini(reader))


def _gcp(reader: Reader) -> GCPBackend:
    reader.value("PHOENIX_GENERATOR", None, not_in_the_cloud)
    project_id = reader.required("GOOGLE_CLOUD_PROJECT", project)
    return GCPBackend(
        project=project_id,
        firebase_api_key=reader.required("PHOENIX_FIREBASE_API_KEY", word),
        firebase_auth_domain=reader.value(
            "PHOENIX_FIREBASE_AUTH_DOMAIN", f"{project_id}.firebaseapp.com", host_name
        ),
        region=reader.required("PHOENIX_REGION", region),
        database=reader.value("PHOENIX_FIRESTORE_DATABASE", DEFAULT_DATABASE, database),
        collection_prefix=reader.value("PHOENIX_COLLECTION_PREFIX", "", prefix),
        tasks_invoker=reader.required("PHOENIX_TASKS_INVOKER", account),
        internal_audience=reader.required("PHOENIX_INTERNAL_AUDIENCE", word),
        internal_accounts=words(reader.required("PHOENIX_INTERNAL_ACCOUNTS", accounts)),
        video_model=reader.value("PHOENIX_VIDEO_MODEL", GCP_MODELS[Kind.VIDEO], model),
        image_model=reader.value("PHOENIX_IMAGE_MODEL", GCP_MODELS[Kind.IMAGE], model),
        generator_bucket=reader.required("PHOENIX_GENERATOR_BUCKET", bucket),
        welcome_key=_welcome_key(reader),
        r2=_r2(reader),
        endpoints=Endpoints(
            identity=reader.value("PHOENIX_IDENTITY_ENDPOINT", None, on_this_machine),
            tasks=reader.value("PHOENIX_TASKS_ENDPOINT", None, on_this_machine),
            run=reader.value("PHOENIX_RUN_ENDPOINT", None, on_this_machine),
            generator=reader.value("PHOENIX_GENERATOR_ENDPOINT", None, on_this_machine),
        ),
    )


def _welcome_key(reader: Reader) -> str:
    """Return the key; without it nobody could be welcomed, so it is required where tokens are."""
    name = "PHOENIX_WELCOME_KEY"
    if reader.environment.get("PHOENIX_WELCOME_TOKENS", "0").strip("0"):
        return reader.required(name, secret)
    return reader.value(name, "", secret)


def _r2(reader: Reader) -> R2Buckets:
    drafts = reader.required("R2_DRAFTS_BUCKET_NAME", bucket)
    public = reader.required("R2_BUCKET_NAME", bucket)
    if drafts and drafts == public:
        reader.problems.append("R2_DRAFTS_BUCKET_NAME must not be R2_BUCKET_NAME")
    endpoint_url = reader.required(
        "R2_ENDPOINT_URL", partial(r2_endpoint, buckets=(drafts, public))
    )
    return R2Buckets(
        endpoint_url=endpoint_url,
        access_key_id=reader.required("R2_ACCESS_KEY_ID", word),
        secret_access_key=reader.required("R2_SECRET_ACCESS_KEY", word),
        drafts_bucket=drafts,
        public_bucket=public,
        public_url=reader.required(
            "R2_PUBLIC_URL", partial(r2_public_url, endpoint_url=endpoint_url)
        ),
    )


def _costs(reader: Reader) -> Costs:
    """Return the prices."""
    return Costs(
        image_tokens=reader.value("PHOENIX_IMAGE_COST", Costs.image_tokens, price),
        video_tokens=reader.value("PHOENIX_VIDEO_COST", Costs.video_tokens, price),
    )


def _policy(reader: Reader) -> Policy:
    """Return the policy; numbers that do not fit together are one more problem."""
    values: dict[str, Any] = {
        policy_field.name: reader.value(name, policy_field.default, _PARSERS[policy_field.type])
        for name, policy_field in POLICY_SETTINGS.items()
    }
    try:
        return Policy(**values)
    except WrongSetting as error:
        reader.problems.append(str(error))
        return Policy()


def _backend_name(text: str) -> str:
    if text not in {"local", "gcp"}:
        raise ValueError("use local or gcp")
    return text


_PARSERS: dict[object, Callable[[str], object]] = {
    int: count,
    float: number,
    tuple[float, ...]: lambda text: tuple(number(each) for each in words(text)),
}
