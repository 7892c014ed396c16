"""What a client and a resource check of the tokens they are shown, with jwcrypto."""

import base64
import hashlib
import json
import time

from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK, JWKSet
from jwcrypto.jws import JWS

from proofs import key_of

# Our clock and the provider's may differ by so many seconds.
SKEW = 10


def verified(jwt, jwks, algorithm):
    """Header and claims of a JWT that a published key signed with this algorithm."""
    jws = JWS()
    jws.deserialize(jwt)
    header = jws.jose_header
    assert header["alg"] == algorithm, f"alg is {header['alg']}, expected {algorithm}"
    keys = JWKSet.from_json(jwks)
    key = keys.get_key(header["kid"])
    assert key is not None, f"no published key has the kid {header['kid']}"
    jws.allowed_algs = [algorithm]
    jws.verify(JWK(**{name: value for name, value in key.export(private_key=False, as_dict=True).items() if name not in ("alg", "use")}))
    return header, json.loads(jws.payload)


def decrypted(jwe, decryption):
    """The JWT within an encrypted ID token (OpenID Connect Core section 16.14: signed, then encrypted)."""
    token = JWE(algs=["RSA-OAEP-256", "ECDH-ES", "A128GCM", "A256GCM"])
    token.deserialize(jwe, key=key_of(decryption))
    header = token.jose_header
    assert header["alg"] == decryption["alg"], f"alg is {header['alg']}, expected {decryption['alg']}"
    assert header.get("cty", "JWT").upper() == "JWT", f"cty is {header.get('cty')}"
    return token.payload.decode()


def in_time(claims):
    now = time.time()
    assert claims["exp"] > now - SKEW, f"expired: exp is {claims['exp']}, now is {now:.0f}"
    assert claims["iat"] < now + SKEW, f"made in the future: iat is {claims['iat']}, now is {now:.0f}"


def audiences(claims):
    aud = claims["aud"]
    return aud if isinstance(aud, list) else [aud]


def half_hash(value, algorithm):
    """OpenID Connect Core section 3.1.3.6: by the hash of the algorithm, which for Ed25519 is SHA-512."""
    digest = (hashlib.sha512 if algorithm == "EdDSA" else hashlib.sha256)(value.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def id_token(granted, jwks, issuer, client, algorithm, decryption=None):
    """OpenID Connect Core section 3.1.3.7 and CIBA Core section 10.1.1."""
    jwt = decrypted(granted["id_token"], decryption) if decryption else granted["id_token"]
    _, claims = verified(jwt, jwks, algorithm)
    assert claims["iss"] == issuer, f"iss is {claims['iss']}"
    assert audiences(claims) == [client], f"aud is {claims['aud']}"
    assert claims.get("azp", client) == client, f"azp is {claims['azp']}"
    assert claims["sub"], "sub"
    in_time(claims)
    if "at_hash" in claims:
        expected = half_hash(granted["access_token"], algorithm)
        assert claims["at_hash"] == expected, f"at_hash is {claims['at_hash']}, expected {expected}"
    return claims


def access_token(jwt, jwks, issuer, client):
    """RFC 9068 section 4, as a resource does it."""
    jws = JWS()
    jws.deserialize(jwt)
    assert jws.jose_header["alg"] in ("ES256", "PS256", "RS256", "EdDSA"), f"alg is {jws.jose_header['alg']}"
    header, claims = verified(jwt, jwks, jws.jose_header["alg"])
    assert header["typ"].lower() in ("at+jwt", "application/at+jwt"), f"typ is {header['typ']}"
    assert claims["iss"] == issuer, f"iss is {claims['iss']}"
    assert claims["client_id"] == client, f"client_id is {claims['client_id']}"
    for name in ("aud", "sub", "jti", "exp", "iat"):
        assert claims.get(name), f"{name} is missing"
    in_time(claims)
    return claims
