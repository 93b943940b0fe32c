"""Parsers of single values. Each raises `ValueError` with what is accepted, never the value."""

import math
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from shared.domain.account import USERNAME

SECRET_LENGTH_MIN = 32
COUNT_DIGITS_MAX = 9
SIGN_IN_PROVIDERS = {"google", "apple", "email"}
QUOTES = "\"'"


def bare(text: str) -> str:
    """Refuse spaces and quotation marks around a value, as left by copying it from a file."""
    if text != text.strip():
        raise ValueError("leave out spaces and line ends around it")
    if text and text[0] in QUOTES and text[-1] == text[0]:
        raise ValueError("leave out the quotation marks")
    return text


def words(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())


def word(text: str) -> str:
    if not text or any(each.isspace() or each in QUOTES for each in text):
        raise ValueError("leave out spaces, line ends and quotation marks")
    return text


def secret(text: str) -> str:
    if len(word(text)) < SECRET_LENGTH_MIN:
        raise ValueError(f"use at least {SECRET_LENGTH_MIN} characters")
    return text


def api_key(text: str) -> str:
    if not (word(text).isascii() and text.isprintable()):
        raise ValueError("use the key as Google shows it, in ASCII")
    return text


def matching(pattern: str, accepted: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(accepted)
        return text

    return parse


def one_of(*accepted: str) -> Callable[[str], str]:
    return matching("|".join(accepted), f"use {' or '.join(accepted)}")


region = matching(
    r"[a-z]+-[a-z]+[0-9]+", "use a region such as europe-west1, not a zone or a multi-region"
)
database = matching(
    r"\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]", "use (default) or a database's id without its path"
)
prefix = matching(r"[A-Za-z0-9_-]*", "use letters, digits, _ and -")
model = matching(r"[a-z0-9][a-z0-9._-]*", "use a model's name without a path")
project = matching(
    r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]",
    "use the project's id, not its number: 6 to 30 of a-z, 0-9 and -",
)


def bucket(text: str) -> str:
    """Return a bucket's name, without a scheme such as `gs://` or a trailing slash."""
    name = re.sub(r"^[a-z0-9]+://", "", text).removesuffix("/")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", name):
        raise ValueError("use a bucket's name alone: 3 to 63 of a-z, 0-9, - _ and .")
    return name


def account(text: str) -> str:
    """Return a service account's email address, without a leading `serviceAccount:`."""
    address = text.removeprefix("serviceAccount:").lower()
    if not re.fullmatch(r"[a-z0-9][a-z0-9._%+-]*@[a-z0-9-]+(\.[a-z0-9-]+)+", address):
        raise ValueError("use the email address of a service account")
    return address


def accounts(text: str) -> tuple[str, ...]:
    listed = words(text)
    if not listed:
        raise ValueError("name a service account")
    return tuple(account(each) for each in listed)


def local_only(_: str) -> None:
    raise ValueError("only the local backend has this choice; gcp always uses Agent Platform")


def usernames(text: str) -> tuple[str, ...]:
    names = words(text)
    if not all(USERNAME.fullmatch(each) for each in names):
        raise ValueError("use usernames, separated by commas")
    return names


def sign_in_providers(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(words(text.lower())))
    if not names or not SIGN_IN_PROVIDERS.issuperset(names):
        raise ValueError("list one or more of google, apple and email, separated by commas")
    return names


def claims_instead(_: str) -> None:
    raise ValueError("only the local backend has it, gcp reads the claim admin from the token")


def drafts_bucket(text: str, *, public_bucket: str) -> str:
    name = bucket(text)
    if name == public_bucket:
        raise ValueError("use another bucket than R2_BUCKET_NAME")
    return name


def folder(text: str) -> Path:
    """Return a folder's absolute path; a leading `~` is expanded."""
    if not text or "://" in text:
        raise ValueError("use the path of a folder")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ValueError("use the path of a folder: no user has the name after ~") from None


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > COUNT_DIGITS_MAX:
        raise ValueError(f"use a whole number from 0 to {10**COUNT_DIGITS_MAX - 1}")
    return int(text)


def price(text: str) -> int:
    if count(text) == 0:
        raise ValueError("use a whole number above 0")
    return int(text)


def number(text: str) -> float:
    """Return any number; `Policy` checks its range."""
    try:
        return float(text if "_" not in text else "")
    except ValueError:
        raise ValueError("use a number such as 60 or 2.5") from None


def numbers(text: str) -> tuple[float, ...]:
    return tuple(number(each) for each in words(text))


def dollars(text: str) -> float:
    with suppress(ValueError):
        if 0 < (amount := number(text)) < math.inf:
            return amount
    raise ValueError("use a number of US dollars above 0")
