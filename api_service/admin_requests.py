"""Bodies of the operators' requests."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, WithJsonSchema

from api_service.json_body import Body
from api_service.requests import Whole
from shared.domain.brief import Faults
from shared.domain.ledger import GRANT_TOKENS_MAX, check_grant
from shared.domain.operating import REASON_LENGTH_MAX, checked_reason

Reason = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "description": f"Why: 1 to {REASON_LENGTH_MAX} characters after trimming",
            "pattern": rf"^[!-~]([ -~]{{0,{REASON_LENGTH_MAX - 2}}}[!-~])?$",
            "examples": ["a face without consent, mail of 21 November"],
        }
    ),
]


class BecauseOf(Body):
    """Why an operator acts on a creation."""

    reason: Reason

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        if "reason" in values:
            checked_reason(values["reason"])


class OperatorGrant(BecauseOf):
    """Tokens for one account, granted once per `Idempotency-Key`."""

    user_id: str = Field(examples=["ada"])
    amount: Whole = Field(json_schema_extra={"minimum": 1, "maximum": GRANT_TOKENS_MAX})

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        faults = Faults()
        faults.collect(lambda: check_grant(values.get("amount", 1), "-"))
        if "reason" in values:
            faults.collect(lambda: checked_reason(values["reason"]))
        faults.raise_if_any()


class Switch(Body):
    accepted: ClassVar[Mapping[str, str]] = {"isPaused": "use true or false"}

    is_paused: bool
