"""Presigned S3 URLs (AWS Signature Version 4 in the query) with the same text in every process.

The SDK dates a URL by the time of signing, so that browsers could not cache the picture behind it.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode, urlsplit

LIFE_MAX = timedelta(days=7)
"""A link is dated this long before its expiry, the maximum that S3 allows."""
_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class LinkSigner:
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str

    def signed(self, url: str, query: Mapping[str, str], *, expires_at: datetime) -> str:
        """Return a presigned GET of `url` (quoted path, no query), valid up to 7 days from now."""
        dated = (expires_at - LIFE_MAX).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = [dated[:8], self.region, "s3", "aws4_request"]
        whole_query = {
            **query,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": "/".join([self.access_key_id, *scope]),
            "X-Amz-Date": dated,
            "X-Amz-Expires": str(int(LIFE_MAX.total_seconds())),
            "X-Amz-SignedHeaders": "host",
        }
        encoded = urlencode(sorted(whole_query.items()), quote_via=quote, safe="")
        parts = urlsplit(url)
        request = f"GET\n{parts.path}\n{encoded}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(request.encode()).hexdigest()
        key = f"AWS4{self.secret_access_key}".encode()
        for part in scope:
            key = _mac(key, part)
        signature = _mac(key, "\n".join([_ALGORITHM, dated, "/".join(scope), digest])).hex()
        return f"{url}?{encoded}&X-Amz-Signature={signature}"


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
