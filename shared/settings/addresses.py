"""Parsers of web addresses: each is normalised, or refused with what is accepted instead.

A message repeats no value, because an address may hold a password.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.settings.values import words

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
Schemes = Mapping[str, int | None]
"""Schemes and their default ports."""
WEB: Schemes = {"https": 443, "http": 80}
MOBILE_APPS: Schemes = {"capacitor": None, "ionic": None}
ANY_ORIGIN = "*"
R2_API = ".r2.cloudflarestorage.com"
R2_PUBLIC = ".r2.dev"

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_ACCOUNT = re.compile(r"\.[^.]+(?:\.[a-z]{2,8})?")
"""An account's id and the jurisdiction of its data."""
_QUERY = re.compile(r"[A-Za-z0-9._~=&%+-]*")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True)
class Address:
    scheme: str
    host: str
    """In lower case, with its port unless that is the scheme's default."""
    path: str
    """Empty, or with a leading and without a trailing slash."""

    @property
    def host_name(self) -> str:
        return re.sub(r":\d+$", "", self.host)

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host}"

    def only_origin(self) -> str:
        if self.path:
            raise ValueError("leave out the path")
        return self.origin


def origins(text: str) -> tuple[str, ...]:
    """Return origins as browsers send them; a lone `*` is every origin."""
    listed = words(text)
    if listed == (ANY_ORIGIN,):
        return listed
    return tuple(dict.fromkeys(map(_origin, listed)))


def _origin(text: str) -> str:
    if text == "null":
        raise ValueError("leave out null, which is the origin of every sandboxed page")
    accepted = "use addresses such as https://app.example.com, separated by commas"
    return _parsed(text, {**WEB, **MOBILE_APPS}, accepted).only_origin()


def base_url(text: str) -> str:
    return _parsed(text, WEB, "use an address such as https://api.example.com").only_origin()


def page(text: str) -> str:
    """Return the address of a web page, which may have a query."""
    accepted = "use an address such as https://app.example.com/tokens"
    address, question_mark, query = text.partition("?")
    parsed = _parsed(address, WEB, accepted)
    if not _QUERY.fullmatch(query):
        raise ValueError(accepted)
    return f"{parsed.origin}{parsed.path}{question_mark}{query}"


def r2_endpoint(text: str, *, drafts_bucket: str, public_bucket: str) -> str:
    """Return the address of R2's S3 API, without the bucket that the dashboard appends."""
    buckets = [each for each in (drafts_bucket, public_bucket) if each]
    accepted = f"use https://ACCOUNT_ID{R2_API}, without a bucket"
    parsed = _parsed(text, WEB, accepted)
    is_other = parsed.host_name.endswith(R2_PUBLIC) or not _may_be_account(parsed.host_name)
    is_bucket = any(parsed.host.startswith(f"{bucket}.") for bucket in buckets)
    if is_other or is_bucket or parsed.path.removeprefix("/") not in ("", *buckets):
        raise ValueError(accepted)
    return parsed.origin


def _may_be_account(host_name: str) -> bool:
    """Return whether a host is an R2 account's, and not a bucket's; hosts outside R2 may be one."""
    account, dot, _ = f".{host_name}".rpartition(R2_API)
    return not dot or bool(_ACCOUNT.fullmatch(account))


def r2_public_url(text: str, *, endpoint_url: str) -> str:
    parsed = _parsed(text, WEB, "use an address such as https://media.example.com")
    is_api = parsed.host_name.endswith(R2_API) or parsed.origin == endpoint_url
    if is_api and parsed.host_name not in LOOPBACK:
        raise ValueError("use the public bucket's own domain: R2's S3 API requires signed requests")
    return f"{parsed.origin}{parsed.path}"


def host_name(text: str) -> str:
    """Return a host's name, which may be given as an address."""
    accepted = "use a host's name such as app.example.com"
    address = text if "://" in text else f"https://{text}"
    parsed = _parsed(address, {"https": 443}, accepted)
    if parsed.path or parsed.host != parsed.host_name:
        raise ValueError(accepted)
    return parsed.host


def loopback(text: str) -> str:
    accepted = "use http://127.0.0.1 and a port"
    parsed = _parsed(text, {"http": None}, accepted)
    if parsed.host_name not in LOOPBACK or parsed.host == parsed.host_name or parsed.path:
        raise ValueError(accepted)
    return parsed.origin


def _parsed(text: str, schemes: Schemes, accepted: str) -> Address:
    if not text.isprintable() or " " in text:  # urlsplit drops some of these silently
        raise ValueError(f"leave out spaces and line ends; {accepted}")
    if not text.isascii():
        raise ValueError("write the host's name in ASCII: the form that begins with xn--")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(accepted) from None
    if parts.scheme not in schemes or "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError(f"{accepted}, without a user, ? or #")
    path = parts.path.rstrip("/")
    if port == 0 or not _PATH.fullmatch(path) or ".." in path:
        raise ValueError(accepted)
    shown_port = f":{port}" if port not in (None, schemes[parts.scheme]) else ""
    return Address(parts.scheme, f"{_host(parts.hostname, accepted)}{shown_port}", path)


def _host(name: str | None, accepted: str) -> str:
    """Return a host as browsers write it."""
    try:
        if name and ":" in name:
            return f"[{ipaddress.IPv6Address(name)}]"
        if name and name.rsplit(".", maxsplit=1)[-1].isdigit():
            return str(ipaddress.IPv4Address(name))
    except ValueError:
        raise ValueError(accepted) from None
    if name is None or not _NAME.fullmatch(name):
        raise ValueError(accepted)
    return name
