"""Create both R2 buckets, and configure their CORS and lifecycle rules.

R2_ADMIN_ACCESS_KEY_ID and R2_ADMIN_SECRET_ACCESS_KEY must be those of a token with Admin Read &
Write: the token of the running system cannot create buckets.
https://developers.cloudflare.com/r2/api/s3/api/
"""

import argparse
import base64
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

REGION = "auto"
TIMEOUT_S = 20
ATTEMPTS_MAX = 3
CORS_AGE_S = 3600
"""How long a browser caches a preflight response."""
NOT_FOUND = {"404", "NoSuchCORSConfiguration", "NoSuchLifecycleConfiguration"}
LIFECYCLE = {
    "Rules": [
        {
            "ID": "uploads that broke off",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        },
        {
            "ID": "files of phoenix doctor",
            "Status": "Enabled",
            "Filter": {"Prefix": "doctor/"},
            "Expiration": {"Days": 1},
        },
    ]
}


def connect(endpoint_url: str, *, key_id: str, secret: str) -> Any:  # noqa: ANN401 (boto3 has no types)
    """Return an S3 client with the settings that R2 requires."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(
            connect_timeout=TIMEOUT_S,
            read_timeout=TIMEOUT_S,
            retries={"total_max_attempts": ATTEMPTS_MAX},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        ),
    )
    client.meta.events.register("before-sign.s3", _send_md5)
    return client


def prepare(client: Any, bucket: str, origins: Sequence[str]) -> list[str]:  # noqa: ANN401 (boto3 has no types)
    """Create or update a bucket; return what was changed."""
    changed = []
    if _fetched(client.head_bucket, bucket) is None:
        location = {"LocationConstraint": REGION}
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
        changed.append("created")
    cors = _cors_rules(origins)
    if _fetched(client.get_bucket_cors, bucket, "CORSRules") != cors:
        if cors:
            client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": cors})
        else:
            client.delete_bucket_cors(Bucket=bucket)
        changed.append("CORS")
    rules = _fetched(client.get_bucket_lifecycle_configuration, bucket, "Rules")
    if rules != LIFECYCLE["Rules"]:
        client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=LIFECYCLE)
        changed.append("lifecycle")
    return changed


def _cors_rules(origins: Sequence[str]) -> list[Mapping[str, Any]] | None:
    if not origins:
        return None
    rule = {
        "AllowedOrigins": list(origins),
        "AllowedMethods": ["GET", "HEAD"],
        "AllowedHeaders": ["Range"],
        "ExposeHeaders": ["Content-Length", "Content-Range", "ETag"],
        "MaxAgeSeconds": CORS_AGE_S,
    }
    return [rule]


def _fetched(operation: Any, bucket: str, part: str | None = None) -> Any:  # noqa: ANN401 (boto3 has no types)
    """Return a response, or part of it; None if the bucket or its configuration does not exist."""
    try:
        response = operation(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] in NOT_FOUND:
            return None
        raise
    return response[part] if part else response


def _send_md5(request: Any, **_: object) -> None:  # noqa: ANN401 (botocore has no types)
    """Replace the SDK's checksum by the one that R2 accepts."""
    if request.headers.get("x-amz-checksum-crc32"):
        del request.headers["x-amz-checksum-crc32"]
        del request.headers["x-amz-sdk-checksum-algorithm"]
        digest = hashlib.md5(request.data, usedforsecurity=False).digest()
        request.headers["Content-MD5"] = base64.b64encode(digest).decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--endpoint-url", "--drafts", "--public", "--origins"):
        parser.add_argument(name, required=True)
    parser.add_argument("--check", action="store_true", help="only check access to both buckets")
    arguments = parser.parse_args()
    try:
        _run(arguments)
    except ClientError as error:
        sys.exit(
            f"R2 refused {error.operation_name} ({error.response['Error']['Code']}): "
            "R2_ADMIN_ACCESS_KEY_ID and R2_ADMIN_SECRET_ACCESS_KEY must be those of an "
            f"API token with Admin Read & Write for {arguments.endpoint_url}"
        )
    except (BotoCoreError, ValueError) as error:
        sys.exit(f"R2_ENDPOINT_URL={arguments.endpoint_url} cannot be reached: {error}")


def _run(arguments: argparse.Namespace) -> None:
    client = connect(
        arguments.endpoint_url,
        key_id=os.environ["R2_ADMIN_ACCESS_KEY_ID"],
        secret=os.environ["R2_ADMIN_SECRET_ACCESS_KEY"],
    )
    if arguments.check:
        for bucket in (arguments.drafts, arguments.public):
            _fetched(client.head_bucket, bucket)
        return
    origins = [origin for origin in arguments.origins.split(",") if origin]
    for bucket, readers in ((arguments.drafts, origins), (arguments.public, ["*"])):
        changed = prepare(client, bucket, readers)
        print(f"{bucket}: {', '.join(changed) or 'unchanged'}")  # noqa: T201 (what it did)


if __name__ == "__main__":
    main()
