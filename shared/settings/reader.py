"""Typed values from an environment; what is wrong with them is collected, not raised."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

ValueT = TypeVar("ValueT")

SECRET_LENGTH_MIN = 32
COUNT_DIGITS_MAX = 9
QUOTES = "\"'"


@dataclass(frozen=True)
class Reader:
    """Reads typed values and collects what is wrong with them."""

    environment: Mapping[str, str]
    problems: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def value(self, name: str, default: ValueT, parse: Callable[[str], ValueT]) -> ValueT:
        """Return a variable's value, or the default if it is not set or not usable."""
        text = self.environment.get(name)
        if text is None:
            return default
        try:
            return parse(_bare(text))
        except ValueError as error:
            self.problems.append(f"{name} is not usable: {error}")
            return default

    def required(self, name: str, parse: Callable[[str], str]) -> str:
        """Return the value of a variable that must be set; one that is blank is not."""
        if not self.environment.get(name, "").strip():
            self.missing.append(name)
            return ""
        return self.value(name, "", parse)


# How a text becomes a value; each raises `ValueError` and says what to use instead


def words(text: str) -> tuple[str, ...]:
    """Return what stands between commas."""
    return tuple(each.strip() for each in text.split(",") if each.strip())


def _bare(text: str) -> str:
    """Refuse what surrounds a value in the file that it was copied from."""
    if text != text.strip():
        raise ValueError("leave out spaces and line ends around it")
    if text and text[0] in QUOTES and text[-1] == text[0]:
        raise ValueError("leave out the quotation marks")
    return text


def word(text: str) -> str:
    """Return a name or a secret: the line end of the file it came from would be a part of it."""
    if not text or any(each.isspace() or each in QUOTES for each in text):
        raise ValueError("leave out spaces, line ends and quotation marks")
    return text


def secret(text: str) -> str:
    """Return a secret that is too long to be guessed."""
    if len(word(text)) < SECRET_LENGTH_MIN:
        raise ValueError(f"use at least {SECRET_LENGTH_MIN} characters")
    return text


def matching(pattern: str, accepted: str) -> Callable[[str], str]:
    """Return a parser of texts that match the pattern as a whole."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(accepted)
        return text

    return parse


def account(text: str) -> str:
    """Return the email address of a service account; `serviceAccount:` before it is dropped."""
    address = text.removeprefix("serviceAccount:").lower()
    if not re.fullmatch(r"[a-z0-9][a-z0-9._%+-]*@[a-z0-9-]+(\.[a-z0-9-]+)+", address):
        raise ValueError("use the email address of a service account")
    return address


def accounts(text: str) -> str:
    """Return a list of service accounts, separated by commas."""
    listed = words(text)
    if not listed:
        raise ValueError("name a service account")
    return ",".join(account(each) for each in listed)


def bucket(text: str) -> str:
    """Return a bucket's name; a scheme such as `gs://` before it and a slash after it are dropped."""
    name = re.sub(r"^[a-z0-9]+://", "", text).removesuffix("/")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", name):
        raise ValueError("use a bucket's name alone: 3 to 63 of a-z, 0-9, - _ and .")
    return name


def project(text: str) -> str:
    """Return a project's id."""
    if text.isdigit():
        raise ValueError("use the project's id, not its number")
    if not re.fullmatch(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]", text):
        raise ValueError("use the project's id: 6 to 30 of a-z, 0-9 and -")
    return text


region = matching(
    r"[a-z]+-[a-z]+[0-9]+", "use a region such as europe-west1, not a zone or a multi-region"
)
database = matching(
    r"\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]", "use (default) or a database's id without its path"
)
prefix = matching(r"[A-Za-z0-9_-]*", "use letters, digits, _ and -")
model = matching(r"[a-z0-9][a-z0-9._-]*", "use a model's name without a path")


def folder(text: str) -> Path:
    """Return the absolute path of a folder; `~` is the user's own."""
    if not text or "://" in text:
        raise ValueError("use the path of a folder")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ValueError("use the path of a folder: this ~ is nobody's") from None


def count(text: str) -> int:
    """Return a number of things."""
    if not (text.isascii() and text.isdigit()) or len(text) > COUNT_DIGITS_MAX:
        raise ValueError(f"use a whole number from 0 to {10**COUNT_DIGITS_MAX - 1}")
    return int(text)


def dollars(text: str) -> float:
    """Return an amount of US dollars."""
    try:
        amount = number(text)
    except ValueError:
        amount = math.nan
    if not 0 < amount < math.inf:
        raise ValueError("use a number of US dollars above 0")
    return amount


def price(text: str) -> int:
    """Return a number of tokens."""
    if count(text) == 0:
        raise ValueError("use a whole number from 1 on")
    return int(text)


def number(text: str) -> float:
    """Return a number of seconds or the like; the policy refuses what is not above 0."""
    try:
        return float(text if "_" not in text else "")
    except ValueError:
        raise ValueError("use a number such as 60 or 2.5") from None
