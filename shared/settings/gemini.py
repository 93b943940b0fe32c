"""Settings of real media on one machine: Google's developer API, by a key."""

from dataclasses import dataclass, field

from shared.domain.kind import Kind
from shared.settings.addresses import on_this_machine
from shared.settings.reader import Reader, model, word

GEMINI_API_MODELS = {Kind.VIDEO: "gemini-omni-1.2-flash", Kind.IMAGE: "gemini-nano-banana-2.1"}


@dataclass(frozen=True, kw_only=True)
class GeminiAPI:
    """Google's developer API, by a key: real media without a cloud project."""

    api_key: str = field(repr=False)
    video_model: str
    image_model: str
    endpoint: str | None

    def model_of(self, kind: Kind) -> str:
        """Return the model that makes this kind."""
        return self.video_model if kind is Kind.VIDEO else self.image_model


def read_gemini(reader: Reader) -> GeminiAPI | None:
    """Return the developer API where it is asked for, or where there is a key to it."""
    has_key = bool(reader.environment.get("GEMINI_API_KEY", "").strip())
    default = "gemini" if has_key else "sample"
    if reader.value("PHOENIX_GENERATOR", default, _generator_name) == "sample":
        return None
    return GeminiAPI(
        api_key=reader.required("GEMINI_API_KEY", _api_key),
        video_model=reader.value("PHOENIX_VIDEO_MODEL", GEMINI_API_MODELS[Kind.VIDEO], model),
        image_model=reader.value("PHOENIX_IMAGE_MODEL", GEMINI_API_MODELS[Kind.IMAGE], model),
        endpoint=reader.value("PHOENIX_GENERATOR_ENDPOINT", None, on_this_machine),
    )


def _generator_name(text: str) -> str:
    if text not in {"sample", "gemini"}:
        raise ValueError("use sample or gemini")
    return text


def _api_key(text: str) -> str:
    if not (word(text).isascii() and text.isprintable()):
        raise ValueError("use the key as Google shows it, in ASCII")
    return text


def not_in_the_cloud(_: str) -> None:
    """Refuse a choice that only the local backend has."""
    raise ValueError("it chooses on the local backend alone; gcp always uses Agent Platform")
