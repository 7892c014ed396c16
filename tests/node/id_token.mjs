// What every ID token of a CIBA flow must be, checked with `jose` and nothing of ours.

import assert from 'node:assert/strict';

import * as jose from 'jose';

/** Whole seconds, and the clocks of two processes: two seconds of grace on either side. */
const within = (seconds, from, to) => seconds >= from - 2 && seconds <= to + 2;

/**
 * `tokens` is a token answer as `openid-client` returns it, `startedAt` the second the flow began.
 * Returns the `sub`.
 */
export async function checkIdToken(tokens, { keys, issuer, audience, startedAt }) {
  const { payload, protectedHeader } = await jose.jwtVerify(tokens.id_token, keys, {
    algorithms: ['ES256'],
    issuer,
    audience,
    requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat', 'auth_time'],
  });
  const now = Date.now() / 1000;
  assert.ok(protectedHeader.kid, 'the ID token names its key');
  assert.deepEqual([payload.aud].flat(), [audience], 'aud is this client and nobody else');
  assert.match(payload.sub, /^[\x21-\x7e]{1,255}$/, 'sub');
  assert.ok(Number.isInteger(payload.iat) && within(payload.iat, startedAt, now), 'iat is now');
  assert.ok(Number.isInteger(payload.exp) && payload.exp > now, 'exp lies ahead');
  assert.ok(Number.isInteger(payload.auth_time), 'auth_time is whole seconds');
  assert.ok(within(payload.auth_time, startedAt, now), 'auth_time is when the person approved');
  assert.ok(!('acr' in payload), 'no acr without evidence, least of all the one asked for');
  if ('at_hash' in payload) {
    const digest = await crypto.subtle.digest('SHA-256', Buffer.from(tokens.access_token));
    const half = Buffer.from(digest).subarray(0, 16).toString('base64url');
    assert.equal(payload.at_hash, half, 'at_hash');
  }
  assert.deepEqual(tokens.claims(), payload, 'openid-client reads the same claims');
  return payload.sub;
}
