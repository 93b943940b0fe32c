"""Invalid tokens, named for what is wrong with them."""

import base64
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization

from shared.adapters.local.identity import ISSUER, USER_AUDIENCE
from tests.servers.certificate_server import (
    HOUR_S,
    PROJECT,
    CertificateServer,
    SigningKey,
    signing_key,
)
from tests.support.fakes import FakeClock

FIREBASE_AUDIENCE = (
    "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"
)


def forged_locally(key: bytes, clock: FakeClock) -> dict[str, str]:
    """Return tokens that an installation with this key did not issue."""
    now_s = int(clock.now().timestamp())
    good = {"iss": ISSUER, "aud": USER_AUDIENCE, "sub": "ada", "iat": now_s, "exp": now_s + 60}
    claims: dict[str, dict[str, Any]] = {
        "other audience": good | {"aud": "other"},
        "other issuer": good | {"iss": "other"},
        "expired": good | {"exp": now_s - 1},
        "issued in the future": good | {"iat": now_s + 60},
        **{
            f"no {left_out}": {name: good[name] for name in good if name != left_out}
            for left_out in good
        },
    }
    return {
        **{name: jwt.encode(each, key, algorithm="HS256") for name, each in claims.items()},
        "other key": jwt.encode(good, "x" * 32, algorithm="HS256"),
        "HS512": jwt.encode(good, key * 2, algorithm="HS512"),
        "alg none": jwt.encode(good, "", algorithm="none"),
    }


def forged_user_tokens(server: CertificateServer) -> dict[str, str]:
    """Return user tokens that Firebase did not issue, or not for this project."""
    key, good = server.users_key, server.user_claims()
    return {
        **_forged_signatures(key, good),
        **_wrong_claims(key, good),
        **{name: key.signed(good | changes) for name, changes in _changed_users(good).items()},
        "no sub": _without("sub", key, good),
        "custom token": key.signed(good | {"aud": FIREBASE_AUDIENCE, "uid": "ada"}),
        "legacy custom token": _by_hand({"alg": "HS256"}, {"v": 0, "d": {"uid": "ada"}}),
        "legacy custom token without an object": _by_hand({"alg": "HS256"}, {"v": 0, "d": 5}),
        "Google's own ID token": server.service_token(),
        "Google's own ID token for this project": server.service_token(aud=PROJECT),
    }


def _changed_users(good: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return invalid changes of a valid user token's claims."""
    return {
        "other project": {
            "aud": "other",
            "iss": "https://securetoken.google.com/other",
        },
        "other project's issuer": {"iss": "https://securetoken.google.com/other"},
        "session cookie": {"iss": f"https://session.firebase.google.com/{PROJECT}"},
        "empty subject": {"sub": ""},
        "subject too long": {"sub": "x" * 129},
        "number as subject": {"sub": 7},
        "subject with a slash": {"sub": "ada/creations"},
        "subject with a parent path": {"sub": ".."},
        "subject reserved by the store": {"sub": "__ada__"},
        "subject with a newline": {"sub": "ada\n"},
        "subject with a non-ASCII letter": {"sub": "ad\N{LATIN SMALL LETTER A WITH ACUTE}"},
        "signed in tomorrow": {"auth_time": good["iat"] + 24 * HOUR_S},
        "of a tenant": {"firebase": {"tenant": "other"}},
    }


def forged_service_tokens(server: CertificateServer) -> dict[str, str]:
    """Return service tokens that Google did not issue, or not for this audience."""
    key, good = server.services_key, server.service_claims()
    return {
        **_forged_signatures(key, good),
        **_wrong_claims(key, good),
        "the address of the service": key.signed(good | {"aud": "https://phoenix.example"}),
        "empty audience": key.signed(good | {"aud": ""}),
        "a user's token": server.user_token(),
        "self-signed by the account": key.signed(good | {"iss": good["email"]}),
        "signature removed": f"{key.signed(good).rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE",
    }


def _wrong_claims(key: SigningKey, good: dict[str, Any]) -> dict[str, str]:
    """Return tokens with valid signatures and invalid claims."""
    now_s = int(time.time())
    changed: dict[str, dict[str, Any]] = {
        "expired": {"iat": now_s - 2 * HOUR_S, "exp": now_s - HOUR_S},
        "just expired": {"iat": now_s - HOUR_S, "exp": now_s - 15},
        "issued tomorrow": {"iat": now_s + 24 * HOUR_S, "exp": now_s + 25 * HOUR_S},
        "issued in ten minutes": {"iat": now_s + 600},
        "not before tomorrow": {"nbf": now_s + 24 * HOUR_S},
        "not before NaN": {"nbf": float("nan")},
        "not before a word": {"nbf": "now"},
        "ends with a word": {"exp": "never"},
        "issued with a word": {"iat": "now"},
        "other audience": {"aud": "other"},
        "list of audiences": {"aud": [good["aud"], "other"]},
        "other issuer": {"iss": "https://issuer.example"},
        "issuer with a suffix": {"iss": f"{good['iss']}.example"},
    }
    return {
        **{name: key.signed(good | changes) for name, changes in changed.items()},
        **{f"no {name}": _without(name, key, good) for name in ("iss", "aud", "iat", "exp")},
    }


def _without(left_out: str, key: SigningKey, good: dict[str, Any]) -> str:
    return key.signed({name: value for name, value in good.items() if name != left_out})


def _forged_signatures(key: SigningKey, good: dict[str, Any]) -> dict[str, str]:
    """Return tokens with valid claims and invalid signatures, and malformed tokens."""
    token = key.signed(good)
    head, body, signature = token.split(".")
    other = signing_key("someone-else")
    public = key.private.public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    evil = {"jku": "https://evil.example/keys", "x5u": "https://evil.example/certificate"}
    richer = _part(good | {"sub": "ben", "email": "root@example.com", "admin": True})
    operator = good | {"admin": True}
    return {
        "alg none": _by_hand({"alg": "none", "kid": key.kid}, good),
        "alg none, unsigned": f"{_part({'alg': 'none', 'kid': key.kid})}.{body}.",
        "alg None": _by_hand({"alg": "None", "kid": key.kid}, good),
        "no alg": f"{_part({'kid': key.kid})}.{body}.{signature}",
        "alg is a list": f"{_part({'alg': ['RS256'], 'kid': key.kid})}.{body}.{signature}",
        "HS256 with the public key": _hmac_signed(pem, good, key.kid),
        "HS256 with the certificate": _hmac_signed(key.certificate.encode(), good, key.kid),
        "ES256 by name": f"{_part({'alg': 'ES256', 'kid': key.kid})}.{body}.{signature}",
        "PS256": jwt.encode(good, key.private, algorithm="PS256", headers={"kid": key.kid}),
        "RS512": jwt.encode(good, key.private, algorithm="RS512", headers={"kid": key.kid}),
        "no kid": key.signed(good, kid=None),
        "empty kid": key.signed(good, kid=""),
        "unknown kid": key.signed(good, kid="unknown"),
        "kid is a list": f"{_part({'alg': 'RS256', 'kid': [key.kid]})}.{body}.{signature}",
        "kid is a path": f"{_part({'alg': 'RS256', 'kid': '/dev/null'})}.{body}.{signature}",
        "other key": other.signed(good),
        "operator by another key": other.signed(operator, kid=key.kid),
        "operator without a signature": _by_hand({"alg": "none", "kid": key.kid}, operator),
        "other key under this kid": other.signed(good, kid=key.kid),
        "other key with its address": other.signed(good, kid=key.kid, **evil),
        "other key in the header": other.signed(good, kid=key.kid, x5c=[other.certificate]),
        "swapped payload": f"{head}.{richer}.{signature}",
        "swapped header": f"{_part({'alg': 'RS256', 'kid': key.kid, 'x': 1})}.{body}.{signature}",
        "truncated signature": token[:-8],
        "no signature": f"{head}.{body}.",
        "signature of zeros": f"{head}.{body}.{'A' * len(signature)}",
        "padded": f"{token}==",
        "followed by a line end": f"{token}\n",
        "with a fourth part": f"{token}.{signature}",
        "with a foreign character": f"{head}.{body}!!!!.{signature}",
        "64 KiB": key.signed(good | {"picture": "x" * 48 * 1024}),
        "64 KiB of letters": "a" * 64 * 1024,
        "nested": f"{head}.{_part(b'[' * 5000)}.{signature}",
        "nested header": f"{_part(b'[' * 5000)}.{body}.{signature}",
        "list as payload": f"{head}.{_part([good])}.{signature}",
        "not JSON": f"{head}.{_part(b'{')}.{signature}",
        "not UTF-8": f"{head}.{_part(bytes([255, 254]))}.{signature}",
    }


def _hmac_signed(secret: bytes, claims: dict[str, Any], kid: str) -> str:
    """Sign by HMAC with a public key, which PyJWT itself refuses."""
    signer = jwt.get_algorithm_by_name("HS256")
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{_part(claims)}"
    return f"{signed}.{_part(signer.sign(signed.encode(), secret))}"


def _by_hand(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{_part(header)}.{_part(claims)}.{_part(b'signature')}"


def _part(content: object) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
