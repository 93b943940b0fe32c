"""Dependencies of the operators' routes: the operator, and a key that each grant needs."""

from typing import Annotated, Any

from fastapi import Depends, Header
from pydantic import WithJsonSchema

from api_service.dependencies import CallerDep, LiveCallerDep
from shared.domain.brief import IDEMPOTENCY_KEY
from shared.domain.errors import NotAnOperator, WrongField
from shared.ports.identity import Caller

KEY_NAME = "Idempotency-Key"
KEY_PARAMETER: dict[str, Any] = {
    "name": KEY_NAME,
    "in": "header",
    "required": True,
    "schema": {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$"},
}
"""The key in the description: a route's own parameters must be optional."""


async def _claims_to_be_operator(caller: CallerDep) -> None:
    """Refuse a user before the vendor is asked whether the token is live."""
    if not caller.is_admin:
        raise NotAnOperator


def operator_of(
    _: Annotated[None, Depends(_claims_to_be_operator)], caller: LiveCallerDep
) -> Caller:
    """Return the operator, whose token is not revoked."""
    if not caller.is_admin:
        raise NotAnOperator
    return caller


def _required_key(
    idempotency_key: Annotated[
        str | None, Header(include_in_schema=False), WithJsonSchema({"type": "string"})
    ] = None,
) -> str:
    if idempotency_key is None:
        raise WrongField(field=KEY_NAME, reason="it is missing")
    if not IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        raise WrongField(field=KEY_NAME, reason="use 1 to 200 printable ASCII characters")
    return idempotency_key


OperatorDep = Annotated[Caller, Depends(operator_of)]
RequiredKeyDep = Annotated[str, Depends(_required_key)]
