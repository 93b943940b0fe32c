"""Bodies of requests on many creations, and of their responses."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from api_service.json_body import Body
from api_service.requests import Publish
from api_service.responses import Time, View
from shared.domain.errors import WrongField
from shared.domain.keys import is_encodable
from shared.domain.status import Status
from shared.lifecycle import bulk


def _encodable(creation_id: str) -> str:
    """Refuse an id that no response could repeat."""
    if not is_encodable(creation_id):
        raise PydanticCustomError("string_unicode", "an unpaired surrogate")
    return creation_id


_Id = Annotated[str, AfterValidator(_encodable)]
CreationIds = Annotated[list[_Id], Field(min_length=1, max_length=bulk.ITEMS_MAX)]

ACCEPTED_IDS = f"use a list of 1 to {bulk.ITEMS_MAX} strings"
_SAMPLE_IDS = ["mfrggzdfmztwq2lknnwg23tpoa"]


class BulkAction(Body):
    """What to do with each creation. `caption` is for `publish`; omit it to keep the existing ones."""

    accepted: ClassVar[Mapping[str, str]] = {
        "action": "use publish or delete",
        "creationIds": ACCEPTED_IDS,
    }

    action: Literal["publish", "delete"]
    creation_ids: CreationIds
    caption: str | None = None

    def checked_caption(self) -> str | None:
        """Return the caption normalised; raise `WrongField`."""
        if self.caption is None:
            return None
        return self.check({"action": self.action, "caption": self.caption})

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> str | None:
        if values.get("action") == "delete" and values.get("caption") is not None:
            raise WrongField(field="caption", reason="use it with publish only")
        caption, _ = Publish.check({"caption": values.get("caption")})
        return caption

    @classmethod
    def openapi_schema(cls) -> dict[str, Any]:
        schema = cls.model_json_schema()
        caption = Publish.model_json_schema()["properties"]["caption"]
        one_of = []
        for action, allowed in (("publish", caption), ("delete", {"type": "null"})):
            properties = {"action": {"const": action}, "caption": allowed}
            one_of.append({**schema, "properties": {**schema["properties"], **properties}})
        examples = [
            {"action": "publish", "creationIds": _SAMPLE_IDS, "caption": "First snow!"},
            {"action": "delete", "creationIds": _SAMPLE_IDS},
        ]
        return {"oneOf": one_of, "examples": examples}


class Zip(Body):
    """Whose files to put into one archive."""

    accepted: ClassVar[Mapping[str, str]] = {"creationIds": ACCEPTED_IDS}

    creation_ids: CreationIds = Field(examples=[_SAMPLE_IDS])


class ItemView(View):
    """The outcome of one item: the creation's status if known, or the code of the error."""

    creation_id: str
    ok: bool
    status: Status | None
    code: str | None


class BulkView(View):
    """One result for each given id, in the given order."""

    results: list[ItemView]


class DownloadView(View):
    """A link that opens without a token until `expiresAt`; `sizeBytes` is that of its files."""

    download_url: str
    size_bytes: int
    expires_at: Time
