// Modules about the signed authentication request: CIBA Core section 7.1.1, FAPI-CIBA section 5.2.2.

import { randomUUID } from 'node:crypto';

import { expect, refused } from '../expect.mjs';
import { now } from '../signing.mjs';

const MINUTE = 60;

/** Asks wrongly: the answer must be 400 `invalid_request`, or one of `errors`. */
function refusedCase(module, section, request, { errors = ['invalid_request'], ...more } = {}) {
  return {
    module,
    section,
    ...more,
    async run(bench) {
      const answer = await bench.one.ask(request(bench));
      await bench.abandon(answer);
      refused(answer, errors);
    },
  };
}

const without = (claim) => () => ({ claims: { [claim]: undefined } });
const claims = (made) => () => ({ claims: made(now()) });

const plan = [
  ...['aud', 'iss', 'exp', 'iat', 'nbf', 'jti'].map((claim) =>
    refusedCase(`fapi-ciba-id1-ensure-request-object-missing-${claim}-fails`, 'CIBA 7.1.1', without(claim)),
  ),
  refusedCase(
    'fapi-ciba-id1-ensure-request-object-bad-aud-fails',
    'CIBA 7.1.1',
    claims(() => ({ aud: 'https://www.example.com/' })),
  ),
  refusedCase('fapi-ciba-id1-ensure-request-object-bad-iss-fails', 'CIBA 7.1.1', ({ two }) => ({
    claims: { iss: two.clientId },
  })),
  refusedCase(
    'fapi-ciba-id1-ensure-request-object-expired-exp-fails',
    'CIBA 7.1.1',
    claims((at) => ({ exp: at - 5 * MINUTE, iat: at - 10 * MINUTE, nbf: at - 10 * MINUTE })),
  ),
  refusedCase(
    'fapi-ciba-id1-ensure-request-object-exp-is-70-minutes-in-future-fails',
    'FAPI-CIBA 5.2.2-9',
    claims((at) => ({ exp: at + 70 * MINUTE })),
  ),
  refusedCase(
    'fapi-ciba-id1-ensure-request-object-nbf-is-10-minutes-in-future-fails',
    'CIBA 7.1.1',
    claims((at) => ({ nbf: at + 10 * MINUTE, exp: at + 15 * MINUTE })),
  ),
  refusedCase(
    'fapi-ciba-id1-ensure-request-object-nbf-is-70-minutes-in-past-fails',
    'FAPI-CIBA 5.2.2-9',
    claims((at) => ({ nbf: at - 70 * MINUTE })),
  ),
  refusedCase('fapi-ciba-id1-ensure-request-object-signature-algorithm-is-none-fails', 'CIBA 7.1.1', () => ({
    signing: { alg: 'none' },
  })),
  refusedCase('fapi-ciba-id1-ensure-request-object-signature-algorithm-is-bad-fails', 'CIBA 7.2', () => ({
    signing: { tampered: true },
  })),
  refusedCase('fapi-ciba-id1-ensure-request-object-signature-algorithm-is-RS256-fails', 'FAPI-CIBA 7.10', () => ({
    signing: { alg: 'RS256' },
  })),
  // Its own `kid` in the header, so that it is the signature that decides and not the lookup of the key.
  refusedCase('fapi-ciba-id1-ensure-request-object-signed-by-other-client-fails', 'CIBA 7.2', ({ two }) => ({
    signing: { jwk: two.jwk },
  })),
  refusedCase('fapi-ciba-id1-ensure-unsigned-backchannel-authorization-request-fails', 'FAPI-CIBA 5.2.2-6', () => ({
    unsigned: true,
  })),
];

/** What the text says and the plan has no module for. */
const beyond = [
  refusedCase('request-object-signed-by-other-client-under-own-kid', 'CIBA 7.2', ({ one, target }) => ({
    signing: { jwk: target.strangerKey, kid: one.jwk.kid },
  })),
  refusedCase(
    'request-object-expires-more-than-60-minutes-after-nbf',
    'FAPI-CIBA 5.2.2-9',
    claims((at) => ({ nbf: at - 30 * MINUTE, iat: at - 30 * MINUTE, exp: at + 31 * MINUTE })),
  ),
  refusedCase(
    'request-object-nbf-is-2-minutes-in-future-fails',
    'RFC 7519 4.1.5',
    claims((at) => ({ nbf: at + 2 * MINUTE, iat: at })),
  ),
  refusedCase(
    'request-object-aud-without-our-issuer',
    'CIBA 7.1.1',
    claims(() => ({ aud: ['https://a.example', 'https://b.example'] })),
  ),
  refusedCase('request-object-is-not-a-jwt', 'CIBA 7.1.1', () => ({
    unsigned: true,
    parameters: { request: 'no.jwt' },
  })),
  refusedCase('request-object-typ-of-another-kind', 'RFC 9101 10.8', () => ({ signing: { typ: 'at+jwt' } })),
  refusedCase(
    'request-uri-is-refused',
    'CIBA 7.1',
    () => ({ outside: { request_uri: 'https://client.example/request.jwt' } }),
    { errors: ['invalid_request', 'request_uri_not_supported'] },
  ),
  refusedCase(
    'request-object-is-not-a-string-scope',
    'CIBA 7.1.1',
    claims(() => ({ scope: { openid: true } })),
  ),
  {
    module: 'request-object-jti-is-used-once',
    section: 'CIBA 7.1.1',
    async run(bench) {
      const jti = randomUUID();
      const first = await bench.started(bench.one, { claims: { jti } });
      const again = await bench.one.ask({ claims: { jti } });
      await bench.abandon(again);
      await bench.decide(first);
      refused(again, ['invalid_request']);
    },
  },
  {
    module: 'parameters-beside-the-request-object-do-not-count',
    section: 'CIBA 7.1.1',
    // "must not be present outside": refused or ignored, but never taken.
    async run(bench) {
      const answer = await bench.one.ask({
        parameters: { login_hint: undefined },
        outside: { login_hint: bench.target.user },
      });
      await bench.abandon(answer);
      refused(answer, ['invalid_request']);
    },
  },
  ...['oauth-authz-req+jwt', 'OAUTH-AUTHZ-REQ+JWT'].map((typ) => ({
    module: `request-object-typ-in-${typ === typ.toLowerCase() ? 'lower' : 'upper'}-case-is-accepted`,
    section: 'RFC 9101 4',
    async run(bench) {
      await bench.decide(await bench.started(bench.one, { signing: { typ } }));
    },
  })),
  {
    module: 'request-object-aud-as-array-is-accepted',
    section: 'CIBA 7.1.1',
    async run(bench) {
      const aud = ['https://elsewhere.example', bench.target.issuer];
      await bench.decide(await bench.started(bench.one, { claims: { aud } }));
    },
  },
  {
    module: 'request-object-nbf-30-minutes-ago-is-accepted',
    section: 'FAPI-CIBA 5.2.2-9',
    async run(bench) {
      const at = now();
      const claims = { nbf: at - 30 * MINUTE, iat: at - 30 * MINUTE, exp: at + 5 * MINUTE };
      await bench.decide(await bench.started(bench.one, { claims }));
    },
  },
  {
    module: 'clock-eight-seconds-ahead-is-accepted',
    section: 'FAPI 2 5.3.2.1-13',
    async run(bench) {
      const at = now() + 8;
      await bench.decide(await bench.started(bench.one, { claims: { nbf: at, iat: at, exp: at + 300 } }));
    },
  },
  {
    module: 'acknowledgement-tells-no-more-than-it-should',
    section: 'CIBA 7.3',
    async run(bench) {
      const started = await bench.started();
      await bench.decide(started);
      const { notificationToken: _ours, ...members } = started;
      const unknown = Object.keys(members).filter((name) => !['auth_req_id', 'expires_in', 'interval'].includes(name));
      expect(unknown.length === 0, 'auth_req_id, expires_in, interval', unknown);
    },
  },
];

export const cases = [...plan, ...beyond];
