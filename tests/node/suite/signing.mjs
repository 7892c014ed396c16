// What the client side signs, with `jose`: request objects and client assertions. Each takes the
// right claims and lets a case spoil them; a claim that is set to undefined is left out.

import { randomUUID } from 'node:crypto';
import * as jose from 'jose';

export const now = () => Math.floor(Date.now() / 1000);

const spoiled = (claims, changes) =>
  Object.fromEntries(Object.entries({ ...claims, ...changes }).filter(([, value]) => value !== undefined));

/**
 * How a JWT is to be signed. `alg: 'none'` leaves it unsigned, `tampered` breaks the signature, `typ`
 * is a member of the header.
 */
async function sign(claims, jwk, { alg = jwk.alg, typ, kid = jwk.kid, tampered = false } = {}) {
  const header = spoiled({}, { alg, typ, kid });
  if (alg === 'none') {
    const encode = (value) => jose.base64url.encode(JSON.stringify(value));
    return `${encode({ ...header, alg: 'none' })}.${encode(claims)}.`;
  }
  const key = await jose.importJWK({ ...jwk, alg }, alg);
  const jwt = await new jose.SignJWT(claims).setProtectedHeader(header).sign(key);
  return tampered ? broken(jwt) : jwt;
}

/** The last byte of the signature is another one; the base64url stays valid. */
function broken(jwt) {
  const [header, payload, signature] = jwt.split('.');
  const bytes = jose.base64url.decode(signature);
  bytes[bytes.length - 1] ^= 0x5a;
  return `${header}.${payload}.${jose.base64url.encode(bytes)}`;
}

/** A signed authentication request, CIBA Core section 7.1.1. */
export function requestObject({ clientId, jwk, issuer, parameters }, { claims = {}, ...signing } = {}) {
  const at = now();
  const right = { iss: clientId, aud: issuer, iat: at, nbf: at, exp: at + 300, jti: randomUUID(), ...parameters };
  return sign(spoiled(right, claims), jwk, signing);
}

/** A client assertion, OpenID Connect Core section 9. */
export function clientAssertion({ clientId, jwk, audience }, { claims = {}, ...signing } = {}) {
  const at = now();
  const right = { iss: clientId, sub: clientId, aud: audience, iat: at, exp: at + 60, jti: randomUUID() };
  return sign(spoiled(right, claims), jwk, signing);
}

async function newKey(alg, kid, use) {
  const { privateKey } = await jose.generateKeyPair(alg, {
    extractable: true,
    modulusLength: 2048,
    crv: ['EdDSA', 'Ed25519'].includes(alg) ? 'Ed25519' : 'P-256',
  });
  return { ...(await jose.exportJWK(privateKey)), alg, kid, use };
}

/** A key that signs, private and public, with a `kid`. */
export const signingKey = (alg, kid) => newKey(alg, kid, 'sig');

/** A key that decrypts what is encrypted to its public part. */
export const encryptionKey = (alg, kid) => newKey(alg, kid, 'enc');

export function publicPart({ kty, n, e, crv, x, y, alg, kid, use }) {
  return spoiled({}, { kty, n, e, crv, x, y, alg, kid, use });
}
