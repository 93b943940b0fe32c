"""Every adapter of Google's models on both surfaces, as test parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from google.oauth2.credentials import Credentials

from shared.adapters.google_models.cards import CallStyle, ModelCard, Surface, usable_cards
from shared.adapters.google_models.client import ApiKey, CloudProject, Connection
from shared.adapters.google_models.image_generator import GeminiImageGenerator
from shared.adapters.google_models.omni_generator import OmniVideoGenerator
from shared.adapters.google_models.veo_generator import VeoVideoGenerator
from shared.domain.kind import Kind
from shared.ports.generator import Generator

ADAPTERS: dict[CallStyle, Callable[[ModelCard, Connection], Generator]] = {
    CallStyle.GENERATE_CONTENT: GeminiImageGenerator,
    CallStyle.INTERACTIONS: OmniVideoGenerator,
    CallStyle.GENERATE_VIDEOS: VeoVideoGenerator,
}
TODAY = date(2026, 11, 21)
BUCKET = "outputs"
CREDENTIALS = Credentials(token="t")  # type: ignore[no-untyped-call]  # it ships no types


@dataclass(frozen=True)
class Variant:
    """One call style on one surface, with or without a bucket."""

    call_style: CallStyle
    surface: Surface
    bucket: str | None = None

    @property
    def id(self) -> str:
        where = f"{self.surface}-bucket" if self.bucket else str(self.surface)
        return f"{self.call_style}-{where}"

    @property
    def kind(self) -> Kind:
        is_image = self.call_style is CallStyle.GENERATE_CONTENT
        return Kind.IMAGE if is_image else Kind.VIDEO

    @property
    def card(self) -> ModelCard:
        cards = usable_cards(self.kind, surface=self.surface, today=TODAY)
        return next(card for card in cards if card.call_style is self.call_style)

    def open(self, url: str, *, timeout_s: float = 10) -> Generator:
        """Return a generator, as a new process would open it."""
        is_cloud = self.surface is Surface.AGENT_PLATFORM
        cloud = CloudProject("p", bucket=self.bucket, credentials=CREDENTIALS)
        connection = Connection(
            access=cloud if is_cloud else ApiKey("k"),
            base_url=url,
            storage_url=url,
            timeout_s=timeout_s,
        )
        return ADAPTERS[self.call_style](self.card, connection)


VEO = Variant(CallStyle.GENERATE_VIDEOS, Surface.AGENT_PLATFORM)
VEO_BUCKET = Variant(CallStyle.GENERATE_VIDEOS, Surface.AGENT_PLATFORM, BUCKET)
OMNI = Variant(CallStyle.INTERACTIONS, Surface.AGENT_PLATFORM)
OMNI_BUCKET = Variant(CallStyle.INTERACTIONS, Surface.AGENT_PLATFORM, BUCKET)
OMNI_KEY = Variant(CallStyle.INTERACTIONS, Surface.GEMINI_API)
IMAGE = Variant(CallStyle.GENERATE_CONTENT, Surface.AGENT_PLATFORM)
IMAGE_KEY = Variant(CallStyle.GENERATE_CONTENT, Surface.GEMINI_API)
VIDEO_VARIANTS = [VEO, VEO_BUCKET, OMNI, OMNI_BUCKET, OMNI_KEY]
IMAGE_VARIANTS = [IMAGE, IMAGE_KEY]
VARIANTS = VIDEO_VARIANTS + IMAGE_VARIANTS
