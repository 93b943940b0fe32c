"""Google's generators: the chosen model of each kind, and the adapter that calls it."""

from dataclasses import dataclass

from shared.adapters.google_models.cards import CallStyle, ModelCard, Surface, chosen_card
from shared.domain.brief import DURATIONS_S, Brief
from shared.domain.kind import Kind
from shared.ports.clock import Clock
from shared.ports.generator import Generator
from shared.settings import GCPBackend, GeminiAPI


@dataclass(frozen=True)
class GoogleGenerators:
    backend: GCPBackend | GeminiAPI
    clock: Clock

    def card(self, kind: Kind, *, may_be_retired: bool = False) -> ModelCard:
        """Return the card of a kind's model, or raise `WrongSetting` naming the accepted models."""
        is_cloud = isinstance(self.backend, GCPBackend)
        return chosen_card(
            kind,
            self.backend.model_of(kind),
            surface=Surface.AGENT_PLATFORM if is_cloud else Surface.GEMINI_API,
            today=self.clock.now().date(),
            may_be_retired=may_be_retired,
        )

    def check(self, makes: Kind | None) -> None:
        """Raise `WrongSetting` if this kind's model is not served; for None, if one is unknown."""
        for kind in Kind if makes is None else [makes]:
            self.card(kind, may_be_retired=makes is None)

    def price_usd(self, kind: Kind) -> float:
        """Return the price of the most expensive creation of a kind."""
        duration_s = max(DURATIONS_S) if kind is Kind.VIDEO else None
        brief = Brief.of(kind, prompt="any", duration_s=duration_s)
        return self.card(kind, may_be_retired=True).cost_usd(brief)

    def open(self, kind: Kind) -> Generator:
        """Return the adapter of the kind's model, or raise `WrongSetting` if it is not served."""
        return google_generator(self.backend, self.card(kind))


def google_generator(backend: GCPBackend | GeminiAPI, card: ModelCard) -> Generator:
    from google.oauth2.credentials import Credentials

    from shared.adapters.google_models.client import STORAGE_URL, ApiKey, CloudProject, Connection
    from shared.adapters.google_models.image_generator import GeminiImageGenerator
    from shared.adapters.google_models.omni_generator import OmniVideoGenerator
    from shared.adapters.google_models.veo_generator import VeoVideoGenerator

    if isinstance(backend, GeminiAPI):
        connection = Connection(access=ApiKey(backend.api_key), base_url=backend.endpoint)
    else:
        endpoint = backend.endpoints.generator
        access = CloudProject(
            backend.project,
            bucket=backend.generator_bucket,
            credentials=Credentials("none") if endpoint else None,  # type: ignore[no-untyped-call]  # it ships no types
        )
        connection = Connection(
            access=access, base_url=endpoint, storage_url=endpoint or STORAGE_URL
        )
    match card.call_style:
        case CallStyle.GENERATE_CONTENT:
            return GeminiImageGenerator(card, connection)
        case CallStyle.INTERACTIONS:
            return OmniVideoGenerator(card, connection)
        case CallStyle.GENERATE_VIDEOS:
            return VeoVideoGenerator(card, connection)
