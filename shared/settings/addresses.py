"""Web addresses from an environment: each is normalised, or refused with what is accepted instead.

A message names no value: an address may hold a password.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
Schemes = Mapping[str, int | None]
WEB: Schemes = {"https": 443, "http": 80}
"""Schemes and the ports that an address leaves out."""
APPS: Schemes = {"capacitor": None, "ionic": None}
"""Schemes of the origins of pages inside mobile apps."""
ANY_ORIGIN = "*"
R2_API = ".r2.cloudflarestorage.com"
R2_PUBLIC = ".r2.dev"

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_ACCOUNT = re.compile(r"\.[^.]+(?:\.[a-z]{2,8})?")
"""An account's id, and the jurisdiction that its data are kept in."""
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True)
class Address:
    """A parsed address; the path begins with a slash and ends without one."""

    scheme: str
    host: str
    """In lower case and with its port, unless that is the scheme's own."""
    path: str

    @property
    def host_name(self) -> str:
        """Return the host without its port."""
        return re.sub(r":\d+$", "", self.host)

    @property
    def origin(self) -> str:
        """Return the address without its path, as browsers write it."""
        return f"{self.scheme}://{self.host}"

    def __str__(self) -> str:
        """Return the address."""
        return f"{self.origin}{self.path}"


def origins(text: str) -> tuple[str, ...]:
    """Return a list of origins as browsers send them; a lone `*` is every origin."""
    listed = [each.strip() for each in text.split(",") if each.strip()]
    if listed == [ANY_ORIGIN]:
        return (ANY_ORIGIN,)
    return tuple(dict.fromkeys(_origin(each) for each in listed))


def _origin(text: str) -> str:
    if text == "null":
        raise ValueError("leave out null, which is the origin of every sandboxed page")
    parsed = _parsed(
        text, {**WEB, **APPS}, "use addresses such as https://app.example.com, separated by commas"
    )
    if parsed.path:
        raise ValueError("leave out the path: an origin ends after its host and port")
    return parsed.origin


def base_url(text: str) -> str:
    """Return the address of a server, without a path."""
    parsed = _parsed(text, WEB, "use an address such as https://api.example.com")
    if parsed.path:
        raise ValueError("leave out the path")
    return parsed.origin


def r2_endpoint(text: str, *, buckets: Iterable[str]) -> str:
    """Return the address of R2's S3 interface without the bucket that the dashboard appends."""
    accepted = f"use https://ACCOUNT_ID{R2_API}, without a bucket"
    parsed = _parsed(text, WEB, accepted)
    is_other = parsed.host_name.endswith(R2_PUBLIC) or not _is_account(parsed.host_name)
    if is_other or any(parsed.host.startswith(f"{bucket}.") for bucket in buckets if bucket):
        raise ValueError(accepted)
    if parsed.path and parsed.path.removeprefix("/") not in buckets:
        raise ValueError(accepted)
    return parsed.origin


def _is_account(host_name: str) -> bool:
    """Tell whether a host of R2's is a whole account's; every host that is not R2's may be one."""
    account, dot, _ = f".{host_name}".rpartition(R2_API)
    return not dot or bool(_ACCOUNT.fullmatch(account))


def r2_public_url(text: str, *, endpoint_url: str) -> str:
    """Return the address under which everybody reads the public bucket."""
    parsed = _parsed(text, WEB, "use an address such as https://media.example.com")
    is_api = parsed.host_name.endswith(R2_API) or parsed.origin == endpoint_url
    if is_api and parsed.host_name not in LOOPBACK:
        raise ValueError(
            "use the public bucket's own domain: the S3 interface answers nobody without a signature"
        )
    return str(parsed)


def host_name(text: str) -> str:
    """Return the name of a host, which may be given as an address."""
    accepted = "use a host's name such as app.example.com"
    address = text if "://" in text else f"https://{text}"
    parsed = _parsed(address, {"https": 443}, accepted)
    if parsed.path or parsed.host != parsed.host_name:
        raise ValueError(accepted)
    return parsed.host


def on_this_machine(text: str) -> str:
    """Return the address of a server that only this machine can reach."""
    accepted = "use http://127.0.0.1 and a port"
    parsed = _parsed(text, {"http": None}, accepted)
    if parsed.host_name not in LOOPBACK or parsed.host == parsed.host_name or parsed.path:
        raise ValueError(accepted)
    return parsed.origin


def _parsed(text: str, schemes: Schemes, accepted: str) -> Address:
    """Return the parsed address, or raise `ValueError` saying what is accepted."""
    if not text.isprintable() or " " in text:  # urlsplit drops some of these without a word
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
    if name is None:
        raise ValueError(accepted)
    try:
        if ":" in name:
            return f"[{ipaddress.IPv6Address(name)}]"
        if name.rsplit(".", maxsplit=1)[-1].isdigit():
            return str(ipaddress.IPv4Address(name))
    except ValueError:
        raise ValueError(accepted) from None
    if not _NAME.fullmatch(name):
        raise ValueError(accepted)
    return name
