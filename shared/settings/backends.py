"""The backends, with one field for each of their settings; README.md describes the settings."""

from dataclasses import dataclass
from pathlib import Path

from shared.domain.kind import Kind
from shared.settings import addresses, values
from shared.settings.reader import REQUIRED, Reader, variable

DEFAULT_DATA = ".phoenix"
GCP_MODELS = {Kind.VIDEO: "gemini-omni-1.2-flash", Kind.IMAGE: "gemini-3.1-flash-image"}
GEMINI_API_MODELS = {Kind.VIDEO: "gemini-omni-1.2-flash", Kind.IMAGE: "gemini-nano-banana-2.1"}


@dataclass(frozen=True, kw_only=True)
class GeminiAPI:
    """Google's developer API: real media by an API key, without a cloud project."""

    api_key: str = variable("GEMINI_API_KEY", values.api_key, is_secret=True)
    video_model: str = variable("PHOENIX_VIDEO_MODEL", values.model, GEMINI_API_MODELS[Kind.VIDEO])
    image_model: str = variable("PHOENIX_IMAGE_MODEL", values.model, GEMINI_API_MODELS[Kind.IMAGE])
    endpoint: str | None = variable("PHOENIX_GENERATOR_ENDPOINT", addresses.loopback, None)

    def model_of(self, kind: Kind) -> str:
        return self.video_model if kind is Kind.VIDEO else self.image_model


@dataclass(frozen=True, kw_only=True)
class LocalBackend:
    """Everything on this machine, in one folder; without `gemini`, the media are samples."""

    data: Path = variable("PHOENIX_DATA", values.folder)
    admins: tuple[str, ...] = variable("PHOENIX_ADMINS", values.usernames, ())
    gemini: GeminiAPI | None


@dataclass(frozen=True, kw_only=True)
class R2Buckets:
    """The buckets of the media files, and the key to them."""

    public_bucket: str = variable("R2_BUCKET_NAME", values.bucket)
    drafts_bucket: str = variable(
        "R2_DRAFTS_BUCKET_NAME", values.drafts_bucket, given=("public_bucket",)
    )
    endpoint_url: str = variable(
        "R2_ENDPOINT_URL", addresses.r2_endpoint, given=("drafts_bucket", "public_bucket")
    )
    access_key_id: str = variable("R2_ACCESS_KEY_ID", values.word)
    secret_access_key: str = variable("R2_SECRET_ACCESS_KEY", values.word, is_secret=True)
    public_url: str = variable("R2_PUBLIC_URL", addresses.r2_public_url, given=("endpoint_url",))


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Fake endpoints for tests; Firestore's client reads FIRESTORE_EMULATOR_HOST itself."""

    identity: str | None = variable("PHOENIX_IDENTITY_ENDPOINT", addresses.loopback, None)
    tasks: str | None = variable("PHOENIX_TASKS_ENDPOINT", addresses.loopback, None)
    run: str | None = variable("PHOENIX_RUN_ENDPOINT", addresses.loopback, None)
    generator: str | None = variable("PHOENIX_GENERATOR_ENDPOINT", addresses.loopback, None)


@dataclass(frozen=True, kw_only=True)
class GCPBackend:
    """Firestore, Cloud Tasks, Cloud Run, Firebase and the generators of one project; files in R2."""

    project: str = variable("GOOGLE_CLOUD_PROJECT", values.project)
    firebase_api_key: str = variable("PHOENIX_FIREBASE_API_KEY", values.word)
    firebase_auth_domain: str = variable("PHOENIX_FIREBASE_AUTH_DOMAIN", addresses.host_name)
    sign_in_providers: tuple[str, ...] = variable(
        "PHOENIX_SIGN_IN_PROVIDERS", values.sign_in_providers, ("google", "email")
    )
    region: str = variable("PHOENIX_REGION", values.region)
    database: str = variable("PHOENIX_FIRESTORE_DATABASE", values.database, "(default)")
    collection_prefix: str = variable("PHOENIX_COLLECTION_PREFIX", values.prefix, "")
    tasks_invoker: str = variable("PHOENIX_TASKS_INVOKER", values.account)
    internal_audience: str = variable("PHOENIX_INTERNAL_AUDIENCE", values.word)
    internal_accounts: tuple[str, ...] = variable("PHOENIX_INTERNAL_ACCOUNTS", values.accounts)
    video_model: str = variable("PHOENIX_VIDEO_MODEL", values.model, GCP_MODELS[Kind.VIDEO])
    image_model: str = variable("PHOENIX_IMAGE_MODEL", values.model, GCP_MODELS[Kind.IMAGE])
    generator_bucket: str = variable("PHOENIX_GENERATOR_BUCKET", values.bucket)
    welcome_key: str = variable("PHOENIX_WELCOME_KEY", values.secret, "", is_secret=True)
    r2: R2Buckets
    endpoints: Endpoints

    def model_of(self, kind: Kind) -> str:
        return self.video_model if kind is Kind.VIDEO else self.image_model


def read_backend(reader: Reader) -> LocalBackend | GCPBackend:
    backend = reader.value("PHOENIX_BACKEND", values.one_of("local", "gcp"), "local")
    if backend == "gcp":
        return _read_gcp(reader)
    data = Path(DEFAULT_DATA).absolute()
    return reader.read(LocalBackend, data=data, gemini=_read_gemini(reader))


def _read_gemini(reader: Reader) -> GeminiAPI | None:
    """Read the developer API's settings if it is chosen; by default, that is if its key is set."""
    has_key = bool(reader.environment.get("GEMINI_API_KEY", "").strip())
    choose = values.one_of("sample", "gemini")
    choice = reader.value("PHOENIX_GENERATOR", choose, "gemini" if has_key else "sample")
    return reader.read(GeminiAPI) if choice == "gemini" else None


def _read_gcp(reader: Reader) -> GCPBackend:
    reader.value("PHOENIX_GENERATOR", values.local_only, None)
    reader.value("PHOENIX_ADMINS", values.claims_instead, None)
    grants_tokens = reader.environment.get("PHOENIX_WELCOME_TOKENS", "0").strip("0")
    return reader.read(
        GCPBackend,
        firebase_auth_domain=f"{reader.environment.get('GOOGLE_CLOUD_PROJECT')}.firebaseapp.com",
        welcome_key=REQUIRED if grants_tokens else "",
        r2=reader.read(R2Buckets),
        endpoints=reader.read(Endpoints),
    )
