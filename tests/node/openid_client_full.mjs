// `openid-client` from npm, unmodified, as each of the clients that `suite/prepare.mjs` makes: every way
// to prove itself, to sign, to bind and to encrypt, and what can be done with the tokens afterwards.
//
//   node openid_client_full.mjs FOLDER ISSUER [JSON]
//
// JSON tells what differs from the defaults: `decide` and `resource` as in `suite/provider.mjs`, `user`.
// Prints one `ok …` line for each check; the first failure ends it with status 1.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

import * as jose from 'jose';
import * as client from 'openid-client';
import { Agent, fetch as undiciFetch } from 'undici';

import { requestObject } from './suite/signing.mjs';

const [folder, issuer, more = '{}'] = process.argv.slice(2);
assert.ok(issuer, 'arguments: FOLDER ISSUER [JSON]');
const target = {
  decide: `${issuer}/conformance/decide?auth_req_id={auth_req_id}&action={action}`,
  resource: `${issuer}/resource`,
  user: 'alice',
  ...JSON.parse(more),
};
const ca = await readFile(path.join(folder, 'ca.pem'), 'utf8');
const anonymous = new Agent({ connect: { ca } });

function ok(what) {
  console.log(`ok ${what}`);
}

/** The library takes any fetch; this one trusts the run's authority and shows a certificate, or none. */
const fetchWith = (dispatcher) => (url, init) => undiciFetch(url, { ...init, dispatcher });

async function secretsOf(name) {
  return JSON.parse(await readFile(path.join(folder, 'secrets', `${name}.json`), 'utf8'));
}

/**
 * How a client proves itself. The library calls Ed25519 by its own name only (RFC 9864); a client that is registered
 * with the older one says that, because not every provider takes the two for the same.
 */
async function authentication({ jwk, method }) {
  if (method !== 'private_key_jwt') return client.TlsClientAuth();
  const key = await jose.importJWK(jwk, jwk.alg);
  const named = (header) => {
    if (header.alg === 'Ed25519') header.alg = jwk.alg;
  };
  return client.PrivateKeyJwt({ key, kid: jwk.kid }, { [client.modifyAssertion]: named });
}

/** A configured client, with its secrets. `idTokenAlgorithm` is that of its key unless registered otherwise. */
async function configured(name, { mtls = false, idTokenAlgorithm } = {}) {
  const secrets = await secretsOf(name);
  const { jwk, certificate, key } = secrets;
  const dispatcher = mtls ? new Agent({ connect: { ca, cert: certificate, key } }) : anonymous;
  const metadata = { use_mtls_endpoint_aliases: mtls, id_token_signed_response_alg: idTokenAlgorithm ?? jwk.alg };
  const configuration = await client.discovery(new URL(issuer), name, metadata, await authentication(secrets), {
    [client.customFetch]: fetchWith(dispatcher),
    algorithm: 'oidc',
  });
  // Without this `openid-client` relies on TLS instead of verifying the ID token's signature.
  client.enableNonRepudiationChecks(configuration);
  return { configuration, secrets, name };
}

async function decide({ auth_req_id: id }, action = 'allow') {
  const url = target.decide.replace('{auth_req_id}', encodeURIComponent(id)).replace('{action}', action);
  const answer = await undiciFetch(url, { method: 'POST', dispatcher: anonymous });
  assert.ok(answer.ok, `${action}: ${answer.status} ${await answer.text()}`);
}

const asked = (changes) => ({ scope: 'openid profile', login_hint: target.user, binding_message: '1234', ...changes });

/** A decision is there before the first poll, so there is no reason to wait for the whole interval. */
async function poll({ configuration }, started, options) {
  const soon = { ...started, interval: 1 };
  return client.pollBackchannelAuthenticationGrant(
    configuration,
    soon,
    {},
    { signal: AbortSignal.timeout(60_000), ...options },
  );
}

async function granted(one, { parameters = asked(), options } = {}) {
  const started = await client.initiateBackchannelAuthentication(one.configuration, parameters);
  await decide(started);
  const tokens = await poll(one, started, options);
  assert.ok(tokens.claims().sub, 'sub');
  return tokens;
}

/** Signed with `jose`: the library has signed requests for the authorization endpoint only. */
async function signed(one, parameters = asked()) {
  const { jwk } = one.secrets;
  return { request: await requestObject({ clientId: one.name, jwk, issuer, parameters }) };
}

async function refused(promise, error, what) {
  await assert.rejects(promise, (thrown) => {
    assert.equal(
      thrown.error ?? thrown.cause?.error ?? thrown.cause?.[0]?.parameters?.error,
      error,
      `${what}: ${thrown}`,
    );
    return true;
  });
}

// The checks.

async function everyAlgorithm() {
  for (const algorithm of ['ES256', 'PS256', 'RS256', 'EdDSA', 'Ed25519']) {
    const one = await configured(`plain-${algorithm.toLowerCase()}`);
    const tokens = await granted(one);
    assert.equal(jose.decodeProtectedHeader(tokens.id_token).alg, algorithm, 'alg of the ID token');
    assert.equal(tokens.token_type, 'bearer', 'token_type');
    ok(`private_key_jwt and ID token with ${algorithm}`);
  }
}

async function denied() {
  const one = await configured('plain-es256');
  const started = await client.initiateBackchannelAuthentication(one.configuration, asked());
  await decide(started, 'deny');
  await refused(poll(one, started), 'access_denied', 'denied');
  ok('denied: access_denied');
}

async function signedRequest() {
  for (const algorithm of ['ES256', 'PS256', 'RS256', 'EdDSA', 'Ed25519']) {
    const one = await configured(`signed-${algorithm.toLowerCase()}`);
    await granted(one, { parameters: await signed(one) });
    await refused(client.initiateBackchannelAuthentication(one.configuration, asked()), 'invalid_request', 'unsigned');
    ok(`request signed with ${algorithm}; unsigned it is refused`);
  }
}

async function afterwards() {
  const one = await configured('plain-es256');
  const first = await granted(one);
  const { configuration } = one;
  const { sub, auth_time: when } = first.claims();

  const userInfo = await client.fetchUserInfo(configuration, first.access_token, sub);
  assert.equal(userInfo.sub, sub, 'sub of UserInfo');
  ok('UserInfo: the same sub');

  const known = await client.tokenIntrospection(configuration, first.access_token);
  assert.equal(known.active, true, 'active');
  assert.equal(known.client_id, one.name, 'client_id of introspection');
  assert.match(known.scope ?? '', /\bopenid\b/, 'scope of introspection');
  ok('introspection: active, with client and scope');

  const second = await client.refreshTokenGrant(configuration, first.refresh_token);
  assert.notEqual(second.access_token, first.access_token, 'another access token');
  if (second.id_token) {
    assert.equal(second.claims().sub, sub, 'the same sub after refresh');
    assert.equal(second.claims().auth_time, when, 'auth_time stays that of the authentication');
  }
  ok('refresh: another access token, the same person');

  await client.tokenRevocation(configuration, second.access_token, { token_type_hint: 'access_token' });
  assert.equal(
    (await client.tokenIntrospection(configuration, second.access_token)).active,
    false,
    'active after revocation',
  );
  ok('revocation of an access token: no longer active');

  const last = second.refresh_token ?? first.refresh_token;
  await client.tokenRevocation(configuration, last, { token_type_hint: 'refresh_token' });
  await refused(client.refreshTokenGrant(configuration, last), 'invalid_grant', 'refresh after revocation');
  ok('revocation of a refresh token: invalid_grant');

  const nonsense = await client.tokenIntrospection(configuration, randomUUID());
  assert.deepEqual(Object.keys(nonsense), ['active'], 'introspection of nonsense tells nothing else');
  assert.equal(nonsense.active, false, 'introspection of nonsense');
  ok('introspection of what is no token: inactive and nothing more');
}

/** The library answers `use_dpop_nonce` by itself; here it is counted, so that it is known to happen. */
async function dpop() {
  for (const algorithm of ['ES256', 'Ed25519']) await dpopWith(algorithm);
}

async function dpopWith(algorithm) {
  const one = await configured('plain-dpop');
  const { configuration } = one;
  const nonces = [];
  const fetched = configuration[client.customFetch];
  configuration[client.customFetch] = async (url, init) => {
    const answer = await fetched(url, init);
    nonces.push(answer.headers.get('dpop-nonce'));
    return answer;
  };
  const keys = await client.randomDPoPKeyPair(algorithm);
  const DPoP = client.getDPoPHandle(configuration, keys);
  const tokens = await granted(one, { options: { DPoP } });
  assert.equal(tokens.token_type, 'dpop', 'token_type');
  assert.ok(nonces.some(Boolean), 'the provider gave a nonce');
  ok(`DPoP in ${algorithm} with nonces of the server`);

  const { sub } = tokens.claims();
  const userInfo = await client.fetchUserInfo(configuration, tokens.access_token, sub, { DPoP });
  assert.equal(userInfo.sub, sub, 'sub of UserInfo');
  const { cnf } = await client.tokenIntrospection(configuration, tokens.access_token);
  assert.equal(cnf?.jkt, await DPoP.calculateThumbprint(), 'cnf.jkt of introspection');
  ok('DPoP at UserInfo, and cnf.jkt in introspection');

  const thief = client.getDPoPHandle(configuration, await client.randomDPoPKeyPair('ES256'));
  await assert.rejects(client.fetchUserInfo(configuration, tokens.access_token, sub, { DPoP: thief }), (thrown) => {
    assert.equal(thrown.status ?? thrown.cause?.status ?? thrown.response?.status, 401, `another key: ${thrown}`);
    return true;
  });
  ok("a DPoP-bound token with another key's proof: 401");

  const refreshed = await client.refreshTokenGrant(configuration, tokens.refresh_token, {}, { DPoP });
  assert.equal(refreshed.token_type, 'dpop', 'token_type after refresh');
  ok('DPoP at refresh');
}

async function certificates() {
  const one = await configured('plain-mtls', { mtls: true });
  const tokens = await granted(one);
  const { sub } = tokens.claims();
  const { configuration } = one;
  const { cnf } = await client.tokenIntrospection(configuration, tokens.access_token);
  const der = Buffer.from(one.secrets.certificate.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const thumbprint = jose.base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', der)));
  assert.equal(cnf?.['x5t#S256'], thumbprint, 'cnf.x5t#S256 of introspection');
  assert.equal((await client.fetchUserInfo(configuration, tokens.access_token, sub)).sub, sub, 'sub of UserInfo');
  ok('tls_client_auth: a token bound to the certificate, at UserInfo and in introspection');

  const authorization = `Bearer ${tokens.access_token}`;
  const userInfo = configuration.serverMetadata().userinfo_endpoint;
  const stolen = await undiciFetch(userInfo, { headers: { authorization }, dispatcher: anonymous });
  assert.equal(stolen.status, 401, 'without the certificate');
  ok('a certificate-bound token without the certificate: 401');
}

/** FAPI-CIBA as the library does it: signed requests, both kinds of proof, certificate-bound tokens. */
async function fapi() {
  for (const name of ['jwt-poll-1', 'jwt-poll-2', 'mtls-poll-1', 'mtls-poll-2']) {
    const one = await configured(name, { mtls: true, idTokenAlgorithm: 'PS256' });
    const tokens = await granted(one, { parameters: await signed(one) });
    const answer = await client.fetchProtectedResource(
      one.configuration,
      tokens.access_token,
      new URL(target.resource),
      'GET',
    );
    assert.equal(answer.status, 200, 'the protected resource');
    ok(`FAPI-CIBA as ${name}: signed request, bound token, protected resource`);
  }
}

async function encrypted() {
  for (const [name, enc] of [
    ['plain-encrypted-rsa', 'A256GCM'],
    ['plain-encrypted-ec', 'A128GCM'],
  ]) {
    const one = await configured(name);
    const { decryption } = one.secrets;
    const key = await jose.importJWK(decryption, decryption.alg);
    client.enableDecryptingResponses(one.configuration, [enc], { key, alg: decryption.alg, kid: decryption.kid });
    const tokens = await granted(one);
    const { alg, enc: seen } = jose.decodeProtectedHeader(tokens.id_token);
    assert.deepEqual([alg, seen], [decryption.alg, enc], 'alg and enc of the encrypted ID token');
    ok(`ID token encrypted with ${decryption.alg} and ${enc}`);
  }
}

for (const check of [everyAlgorithm, denied, signedRequest, afterwards, dpop, certificates, fapi, encrypted]) {
  await check();
}
ok('all');
// The agents keep connections that would keep this program.
process.exit(0);
