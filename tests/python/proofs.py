"""What a client signs: assertions, request objects and DPoP proofs, with jwcrypto."""

import base64
import hashlib
import json
import time
import uuid

from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

KEY_OF = {
    "ES256": {"kty": "EC", "crv": "P-256"},
    "PS256": {"kty": "RSA", "size": 2048},
    "RS256": {"kty": "RSA", "size": 2048},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
}


def key_of(jwk):
    """jwcrypto holds a key to its `alg` and `use`; ours are for signing, whatever they say."""
    return JWK(**{name: value for name, value in jwk.items() if name not in ("alg", "use", "key_ops")})


def sign(claims, key, header):
    jws = JWS(json.dumps(claims))
    jws.add_signature(key, alg=header["alg"], protected=json.dumps(header))
    return jws.serialize(compact=True)


def registered(jwk):
    return {"alg": jwk["alg"], "kid": jwk["kid"]}


def client_assertion(client, jwk, audience):
    """OpenID Connect Core section 9."""
    now = int(time.time())
    claims = {"iss": client, "sub": client, "aud": audience, "iat": now, "exp": now + 60, "jti": str(uuid.uuid4())}
    return sign(claims, key_of(jwk), registered(jwk))


def request_object(client, jwk, issuer, parameters):
    """CIBA Core section 7.1.1."""
    now = int(time.time())
    times = {"iat": now, "nbf": now, "exp": now + 300}
    claims = {"iss": client, "aud": issuer, "jti": str(uuid.uuid4()), **times, **parameters}
    return sign(claims, key_of(jwk), registered(jwk))


def dpop_key(algorithm):
    return algorithm, JWK.generate(**KEY_OF[algorithm])


def dpop_proof(made, method, url, nonce=None, access_token=None):
    """RFC 9449 section 4.2."""
    algorithm, key = made
    claims = {"htm": method, "htu": url, "iat": int(time.time()), "jti": str(uuid.uuid4())}
    if nonce:
        claims["nonce"] = nonce
    if access_token:
        digest = hashlib.sha256(access_token.encode()).digest()
        claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    public = {name: value for name, value in key.export_public(as_dict=True).items() if name not in ("kid", "use", "alg")}
    return sign(claims, key, {"typ": "dpop+jwt", "alg": algorithm, "jwk": public})
