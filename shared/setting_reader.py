"""Typed values from an environment; what is wrong with them is collected, not raised."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

ValueT = TypeVar("ValueT")

SECRET_LENGTH_MIN = 32
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


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
            return parse(text)
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


def word(text: str) -> str:
    """Return a name or a secret: the line end of the file it came from would be a part of it."""
    if not text or any(character.isspace() for character in text):
        raise ValueError("leave out spaces and line ends")
    return text


def secret(text: str) -> str:
    """Return a secret that is too long to be guessed."""
    if len(word(text)) < SECRET_LENGTH_MIN:
        raise ValueError(f"use at least {SECRET_LENGTH_MIN} characters")
    return text


def account(text: str) -> str:
    """Return the email address of a service account."""
    if "@" not in word(text):
        raise ValueError("use the email address of a service account")
    return text


def accounts(text: str) -> str:
    """Return a list of service accounts, as it stands."""
    if not words(text):
        raise ValueError("name a service account")
    for each in words(text):
        account(each)
    return text


def prefix(text: str) -> str:
    """Return what may begin the name of a collection."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise ValueError("use letters, digits, _ and -")
    return text


def address(text: str) -> str:
    """Return a web address without a slash at its end."""
    if not text.startswith(("http://", "https://")):
        raise ValueError("begin with http:// or https://")
    return text.rstrip("/")


def on_this_machine(text: str) -> str:
    """Return the address of a server that only this machine can reach."""
    parts = urlsplit(text)
    is_local = parts.scheme == "http" and parts.hostname in LOOPBACK and parts.port is not None
    if not is_local or parts.path.strip("/") or parts.query:
        raise ValueError("use http://127.0.0.1 and a port")
    return text.rstrip("/")


def count(text: str) -> int:
    """Return a number of things."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError("use a whole number from 0 on")
    return int(text)


def dollars(text: str) -> float:
    """Return an amount of US dollars."""
    try:
        amount = float(text)
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
