"""Presigned S3 URLs (AWS Signature Version 4 in the query) with the same text in every process.

The SDK dates a URL by the time of signing, so that browsers could not cache the picture behind it.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import quote, urlencode

LIFE_MAX = timedelta(days=7)
"""A link is dated this long before its expiry, the maximum that S3 allows."""
COMMON_MAX = 32
"""Links of a few expiries and media types are signed at a time."""
_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class LinkSigner:
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str

    def signed(self, url: str, query: Mapping[str, str], *, expires_at: datetime) -> str:
        """Return a presigned GET of `url` (quoted path, no query), valid up to 7 days from now."""
        encoded, head, key = _common(self, tuple(query.items()), expires_at)
        host, _, path = url.partition("://")[2].partition("/")
        request = f"GET\n/{path}\n{encoded}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(request.encode()).hexdigest()
        return f"{url}?{encoded}&X-Amz-Signature={_mac(key, head + digest).hex()}"


@lru_cache(COMMON_MAX)
def _common(
    signer: LinkSigner, query: tuple[tuple[str, str], ...], expires_at: datetime
) -> tuple[str, str, bytes]:
    """Return what links of one expiry share: the query, the head of the text to sign, the key."""
    dated = (expires_at - LIFE_MAX).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = [dated[:8], signer.region, "s3", "aws4_request"]
    whole_query = {
        **dict(query),
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": "/".join([signer.access_key_id, *scope]),
        "X-Amz-Date": dated,
        "X-Amz-Expires": str(int(LIFE_MAX.total_seconds())),
        "X-Amz-SignedHeaders": "host",
    }
    encoded = urlencode(sorted(whole_query.items()), quote_via=quote, safe="")
    key = f"AWS4{signer.secret_access_key}".encode()
    for part in scope:
        key = _mac(key, part)
    return encoded, "\n".join([_ALGORITHM, dated, "/".join(scope), ""]), key


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
