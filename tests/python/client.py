"""A client of CIBA in Python: what it signs, verifies and decrypts goes through jwcrypto.

    python client.py FOLDER ISSUER [JSON]

FOLDER is what `tests/node/suite/prepare.mjs` made. JSON tells what differs from the defaults: `decide`,
`resource`, `user`. Prints one `ok ...` line for each check; the first failure ends it with status 1.
"""

import json
import sys
import tempfile
import time
import uuid
from pathlib import Path

import httpx

import tokens
from proofs import client_assertion, dpop_key, dpop_proof, request_object

GRANT_TYPE = "urn:openid:params:grant-type:ciba"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ["ES256", "PS256", "RS256", "EdDSA"]
POLLS = 10


def ok(what):
    print(f"ok {what}", flush=True)


def check(condition, what):
    if not condition:
        raise AssertionError(what)


class Provider:
    """What the discovery document says, and how a decision is made."""

    def __init__(self, folder, issuer, more):
        self.folder = Path(folder)
        self.issuer = issuer
        self.verify = str(self.folder / "ca.pem")
        self.http = httpx.Client(verify=httpx.create_ssl_context(verify=self.verify))
        self.metadata = self.http.get(f"{issuer}/.well-known/openid-configuration").raise_for_status().json()
        self.decide_url = more.get("decide", f"{issuer}/conformance/decide?auth_req_id={{auth_req_id}}&action={{action}}")
        self.user = more.get("user", "alice")

    def jwks(self):
        """The published keys, asked for each time, because a provider may have made one in between."""
        return self.http.get(self.metadata["jwks_uri"]).raise_for_status().text

    def decide(self, auth_req_id, action="allow"):
        url = self.decide_url.replace("{auth_req_id}", auth_req_id).replace("{action}", action)
        answer = self.http.post(url)
        check(answer.is_success, f"{action}: {answer.status_code} {answer.text}")


class Client:
    """One registered client, with its key and, if it has one, its certificate."""

    def __init__(self, provider, name):
        self.provider = provider
        self.name = name
        secrets = json.loads((provider.folder / "secrets" / f"{name}.json").read_text())
        self.jwk = secrets["jwk"]
        self.decryption = secrets.get("decryption")
        self.method = secrets["method"]
        self.http = provider.http if self.method == "private_key_jwt" else self._with_certificate(secrets)
        self.nonce = None

    def _with_certificate(self, secrets):
        context = httpx.create_ssl_context(verify=self.provider.verify)
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Path(folder, "certificate.pem"), Path(folder, "key.pem")
            certificate.write_text(secrets["certificate"])
            key.touch(mode=0o600)
            key.write_text(secrets["key"])
            context.load_cert_chain(certificate, key)
        return httpx.Client(verify=context)

    def endpoint(self, name):
        aliases = self.provider.metadata.get("mtls_endpoint_aliases", {})
        plain = self.provider.metadata[name]
        return plain if self.method == "private_key_jwt" else aliases.get(name, plain)

    def proof_of_identity(self, endpoint):
        if self.method != "private_key_jwt":
            return {"client_id": self.name}
        return {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": client_assertion(self.name, self.jwk, self.provider.metadata[endpoint]),
        }

    def post(self, endpoint, parameters, dpop=None):
        """One request; a demand for a DPoP nonce (RFC 9449 section 8) is followed once."""
        url = self.endpoint(endpoint)
        for last in (False, True):
            body = {**parameters, **self.proof_of_identity(endpoint)}
            headers = {"dpop": dpop_proof(dpop, "POST", url, nonce=self.nonce)} if dpop else {}
            answer = self.http.post(url, data=body, headers=headers)
            self.nonce = answer.headers.get("dpop-nonce", self.nonce)
            wants_nonce = answer.status_code == 400 and answer.json().get("error") == "use_dpop_nonce"
            if last or not wants_nonce:
                return answer

    def ask(self, signed=False):
        parameters = {"scope": "openid profile", "login_hint": self.provider.user, "binding_message": "1234"}
        if signed:
            parameters = {"request": request_object(self.name, self.jwk, self.provider.issuer, parameters)}
        answer = self.post("backchannel_authentication_endpoint", parameters)
        check(answer.status_code == 200, f"{self.name}: request: {answer.status_code} {answer.text}")
        return answer.json()

    def poll(self, started, dpop=None):
        for _ in range(POLLS):
            answer = self.post("token_endpoint", {"grant_type": GRANT_TYPE, "auth_req_id": started["auth_req_id"]}, dpop)
            if answer.status_code == 200 or answer.json().get("error") not in ("authorization_pending", "slow_down"):
                return answer
            time.sleep(started.get("interval", 5) + 5)
        raise AssertionError(f"{self.name}: still pending")

    def granted(self, signed=False, dpop=None):
        started = self.ask(signed)
        self.provider.decide(started["auth_req_id"])
        answer = self.poll(started, dpop)
        check(answer.status_code == 200, f"{self.name}: token: {answer.status_code} {answer.text}")
        return answer.json()

    def id_token(self, granted, algorithm=None):
        keys = self.provider.jwks()
        return tokens.id_token(granted, keys, self.provider.issuer, self.name, algorithm or self.jwk["alg"], self.decryption)


def every_algorithm(provider):
    for algorithm in ALGORITHMS:
        client = Client(provider, f"plain-{algorithm.lower()}")
        client.id_token(client.granted())
        ok(f"client assertion signed and ID token verified with {algorithm}")


def signed_requests(provider):
    for algorithm in ALGORITHMS:
        client = Client(provider, f"signed-{algorithm.lower()}")
        client.id_token(client.granted(signed=True))
        ok(f"request object signed with {algorithm}")


def encrypted_id_tokens(provider):
    for name in ("plain-encrypted-rsa", "plain-encrypted-ec"):
        client = Client(provider, name)
        granted = client.granted()
        check(granted["id_token"].count(".") == 4, f"{name}: the ID token is a JWE")
        client.id_token(granted)
        ok(f"ID token decrypted with {client.decryption['alg']}")


def jwt_access_token(provider):
    client = Client(provider, "plain-jwt-token")
    granted = client.granted()
    subject = client.id_token(granted)["sub"]
    claims = tokens.access_token(granted["access_token"], provider.jwks(), provider.issuer, client.name)
    check(claims["sub"] == subject, "the access token has the sub of the ID token")
    ok("JWT access token verified (RFC 9068)")


def dpop(provider):
    supported = provider.metadata["dpop_signing_alg_values_supported"]
    for algorithm in [one for one in ALGORITHMS if one in supported]:
        client = Client(provider, "plain-dpop")
        key = dpop_key(algorithm)
        granted = client.granted(dpop=key)
        check(granted["token_type"].lower() == "dpop", f"token_type is {granted['token_type']}")
        subject = client.id_token(granted)["sub"]
        check(userinfo(provider, granted["access_token"], key).json()["sub"] == subject, "UserInfo has the same sub")
        stranger = userinfo(provider, granted["access_token"], dpop_key(algorithm))
        check(stranger.status_code == 401, f"another key at UserInfo: {stranger.status_code}")
        ok(f"DPoP proof signed with {algorithm}")


def userinfo(provider, access_token, key):
    url, nonce = provider.metadata["userinfo_endpoint"], None
    for _ in range(2):
        proof = dpop_proof(key, "GET", url, nonce=nonce, access_token=access_token)
        answer = provider.http.get(url, headers={"authorization": f"DPoP {access_token}", "dpop": proof})
        if "use_dpop_nonce" not in answer.headers.get("www-authenticate", ""):
            return answer
        nonce = answer.headers["dpop-nonce"]
    return answer


def certificate(provider):
    client = Client(provider, "plain-mtls")
    granted = client.granted()
    client.id_token(granted)
    url = client.endpoint("userinfo_endpoint")
    headers = {"authorization": f"Bearer {granted['access_token']}"}
    check(client.http.get(url, headers=headers).status_code == 200, "UserInfo with the certificate")
    check(provider.http.get(url, headers=headers).status_code == 401, "UserInfo without the certificate")
    ok("tls_client_auth and a token bound to the certificate")


def fapi(provider):
    """FAPI-CIBA: signed requests with the key of either algorithm, ID tokens with PS256."""
    for name in ("mtls-poll-1", "mtls-poll-2"):
        client = Client(provider, name)
        client.id_token(client.granted(signed=True), "PS256")
        ok(f"FAPI-CIBA as {name}")


def refused(provider):
    client = Client(provider, "plain-es256")
    started = client.ask()
    provider.decide(started["auth_req_id"], "deny")
    answer = client.poll(started)
    check(answer.status_code == 400 and answer.json()["error"] == "access_denied", f"denied: {answer.text}")
    ok("denied: access_denied")
    answer = client.poll({"auth_req_id": uuid.uuid4().hex * 2})
    check(answer.status_code == 400 and answer.json()["error"] == "invalid_grant", f"unknown: {answer.text}")
    ok("unknown auth_req_id: invalid_grant")


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit("arguments: FOLDER ISSUER [JSON]")
    folder, issuer = sys.argv[1:3]
    provider = Provider(folder, issuer, json.loads(sys.argv[3] if len(sys.argv) == 4 else "{}"))
    for checks in (every_algorithm, signed_requests, encrypted_id_tokens, jwt_access_token, dpop, certificate, fapi, refused):
        checks(provider)
    ok("all")


if __name__ == "__main__":
    main()
