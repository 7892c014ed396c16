// The other side of every JWT: signs for the host and verifies what it signed, with `jose` and nothing of ours.
//
//   node jose_peer.mjs
//
// Says one line of JSON: its public keys, a JWT of each, and public keys to encrypt for. Reads one line of JSON: the
// host's JWKS, its JWTs, and its JWEs. Exits with 0 when it could verify and decrypt them all.

import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';

import * as jose from 'jose';

const claims = { iss: 'peer', sub: 'peer', aud: ['https://a.example', 'https://b.example'], jti: 'ä "quoted" \u{1f511}' };

const signed = [];
for (const alg of ['ES256', 'PS256', 'RS256', 'EdDSA', 'Ed25519']) {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await jose.exportJWK(publicKey)), kid: `peer ${alg}`, use: 'sig', alg };
  const header = { alg, kid: jwk.kid, typ: 'oauth-authz-req+jwt' };
  const jwt = await new jose.SignJWT(claims).setProtectedHeader(header).setExpirationTime('1h').sign(privateKey);
  signed.push({ alg, jwk, jwt, thumbprint: await jose.calculateJwkThumbprint(jwk) });
}
const secret = 'a secret that both sides hold, long enough for HS256';
const hmac = await new jose.SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret));

const recipients = [];
for (const [alg, options] of [
  ['RSA-OAEP-256', {}],
  ['ECDH-ES', { crv: 'P-256' }],
  ['ECDH-ES', { crv: 'P-384' }],
  ['ECDH-ES', { crv: 'P-521' }],
  ['ECDH-ES', { crv: 'X25519' }],
]) {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true, ...options });
  const kid = `for ${alg} ${recipients.length}`;
  recipients.push({ alg, privateKey, jwk: { ...(await jose.exportJWK(publicKey)), kid, use: 'enc' } });
}
console.log(JSON.stringify({ signed, secret, hmac, recipients: recipients.map(({ alg, jwk }) => ({ alg, jwk })) }));

for await (const line of createInterface({ input: process.stdin })) {
  const host = JSON.parse(line);
  const keys = jose.createLocalJWKSet(host.jwks);
  for (const { alg, typ, jwt } of host.signed) {
    const { payload, protectedHeader } = await jose.jwtVerify(jwt, keys, { algorithms: [alg], typ });
    assert.equal(payload.sub, 'alice');
    const key = host.jwks.keys.find(({ kid }) => kid === protectedHeader.kid);
    assert.equal(protectedHeader.kid, await jose.calculateJwkThumbprint(key), 'the kid is the thumbprint');
    console.log(`verified ${alg} ${typ}`);
  }
  for (const { alg, enc, jwe } of host.encrypted) {
    const { kid } = jose.decodeProtectedHeader(jwe);
    const { privateKey } = recipients.find(({ jwk }) => jwk.kid === kid);
    const options = { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] };
    const { plaintext, protectedHeader } = await jose.compactDecrypt(jwe, privateKey, options);
    assert.equal(protectedHeader.cty, 'JWT');
    const { payload } = await jose.jwtVerify(new TextDecoder().decode(plaintext), keys);
    assert.equal(payload.sub, 'alice');
    console.log(`decrypted ${alg} ${enc}`);
  }
  break;
}
