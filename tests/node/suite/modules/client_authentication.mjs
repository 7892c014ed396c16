// Modules about how a client proves itself: private_key_jwt (OpenID Connect Core section 9) and mTLS
// (RFC 8705 section 2).

import { randomUUID } from 'node:crypto';

import { expect, pending, refused } from '../expect.mjs';
import { now } from '../signing.mjs';

const MTLS = (variant) => variant.authentication === 'mtls';
const JWT = (variant) => variant.authentication === 'private_key_jwt';

/** Where the plan leaves it open which of the errors it is. */
const ANY = ['access_denied', 'invalid_request', 'invalid_client'];

const asking = (module, section, applies, request, errors = ANY) => ({
  module,
  section,
  applies,
  async run(bench) {
    const answer = await bench.one.ask(request(bench));
    await bench.abandon(answer);
    refused(answer, errors);
  },
});

const polling = (module, section, applies, wrong, errors = ['invalid_client']) => ({
  module,
  section,
  applies,
  async run(bench) {
    const started = await bench.started();
    try {
      refused(await bench.one.poll(started.auth_req_id, wrong(bench)), errors);
    } finally {
      await bench.decide(started).catch(() => {});
    }
  },
});

const plan = [
  asking(
    'fapi-ciba-id1-ensure-different-client-id-and-issuer-in-backchannel-authorization-request',
    'CIBA 13',
    MTLS,
    ({ two }) => ({ clientId: two.clientId }),
    ['invalid_client'],
  ),
  asking('fapi-ciba-id1-ensure-wrong-client-id-in-backchannel-authorization-request', 'CIBA 13', MTLS, ({ two }) => ({
    clientId: two.clientId,
    signing: { issuer: two.clientId },
  })),
  polling('fapi-ciba-id1-ensure-wrong-client-id-in-token-endpoint-request', 'RFC 6749 5.2', MTLS, ({ two }) => ({
    clientId: two.clientId,
  })),
  polling(
    'fapi-ciba-id1-ensure-without-client-assertion-in-token-endpoint-request',
    'RFC 6749 5.2',
    JWT,
    () => ({ assertion: false }),
    ['invalid_client', 'invalid_request'],
  ),
  asking('fapi-ciba-id1-ensure-without-client-assertion-in-backchannel-authorization-request', 'CIBA 13', JWT, () => ({
    assertion: false,
  })),
  asking(
    'fapi-ciba-id1-ensure-client-assertion-signature-algorithm-in-backchannel-authorization-request-is-RS256-fails',
    'FAPI-CIBA 7.10',
    JWT,
    () => ({ assertion: { alg: 'RS256' } }),
  ),
  polling(
    'fapi-ciba-id1-ensure-client-assertion-signature-algorithm-in-token-endpoint-request-is-RS256-fails',
    'FAPI-CIBA 7.10',
    JWT,
    () => ({ assertion: { alg: 'RS256' } }),
  ),
  audienceAtTokenEndpoint(
    'fapi-ciba-id1-ensure-client-assertion-with-iss-aud-to-token-endpoint-succeeds',
    'RFC 7523 3',
    ({ target }) => target.issuer,
  ),
];

function audienceAtTokenEndpoint(module, section, audience) {
  return {
    module,
    section,
    applies: JWT,
    async run(bench) {
      const started = await bench.started();
      pending(await bench.one.poll(started.auth_req_id, { assertion: { audience: audience(bench) } }));
      await bench.decide(started);
    },
  };
}

/** Core section 7.1 names three audiences that a provider must accept where a request begins. */
function audienceAtRequestEndpoint(module, audience) {
  return {
    module,
    section: 'CIBA 7.1',
    applies: JWT,
    async run(bench) {
      await bench.decide(await bench.started(bench.one, { assertion: { audience: audience(bench) } }));
    },
  };
}

/** Assertions that are wrong in one claim or in their signature; each as a request and as a poll. */
const WRONG_ASSERTIONS = {
  'wrong-aud': () => ({ claims: { aud: 'https://elsewhere.example/token' } }),
  'no-aud': () => ({ claims: { aud: undefined } }),
  expired: () => ({ claims: { exp: now() - 300, iat: now() - 600 } }),
  'no-exp': () => ({ claims: { exp: undefined } }),
  'nbf-in-future': () => ({ claims: { nbf: now() + 600, exp: now() + 900 } }),
  'no-jti': () => ({ claims: { jti: undefined } }),
  'wrong-iss': ({ two }) => ({ claims: { iss: two.clientId } }),
  'wrong-sub': ({ two }) => ({ claims: { sub: two.clientId } }),
  'no-sub': () => ({ claims: { sub: undefined } }),
  'alg-none': () => ({ alg: 'none' }),
  tampered: () => ({ tampered: true }),
  'key-of-other-client': ({ two }) => ({ jwk: two.jwk }),
};

const beyond = [
  ...Object.entries(WRONG_ASSERTIONS).flatMap(([name, spoil]) => [
    asking(`client-assertion-${name}-fails-at-request`, 'RFC 7523 3', JWT, (bench) => ({ assertion: spoil(bench) }), [
      'invalid_client',
      'invalid_request',
    ]),
    polling(
      `client-assertion-${name}-fails-at-token-endpoint`,
      'RFC 7523 3',
      JWT,
      (bench) => ({ assertion: spoil(bench) }),
      ['invalid_client', 'invalid_request'],
    ),
  ]),
  {
    module: 'client-assertion-is-used-once',
    section: 'RFC 7523 3, OpenID Connect Core 9',
    applies: JWT,
    async run(bench) {
      const jti = randomUUID();
      const started = await bench.started();
      pending(await bench.one.poll(started.auth_req_id, { assertion: { claims: { jti } } }));
      refused(await bench.one.poll(started.auth_req_id, { assertion: { claims: { jti } } }), ['invalid_client']);
      await bench.decide(started);
    },
  },
  audienceAtRequestEndpoint('client-assertion-for-issuer-is-accepted-at-request', ({ target }) => target.issuer),
  audienceAtRequestEndpoint(
    'client-assertion-for-token-endpoint-is-accepted-at-request',
    ({ target }) => target.metadata.token_endpoint,
  ),
  audienceAtRequestEndpoint(
    'client-assertion-for-request-endpoint-is-accepted-at-request',
    ({ target }) => target.metadata.backchannel_authentication_endpoint,
  ),
  audienceAtRequestEndpoint('client-assertion-for-several-audiences-is-accepted-at-request', ({ target }) => [
    target.issuer,
    'https://elsewhere.example',
  ]),
  audienceAtTokenEndpoint(
    'client-assertion-for-the-endpoint-without-mtls-is-accepted',
    'RFC 8705 5',
    ({ target }) => target.metadata.token_endpoint,
  ),
  asking(
    'assertion-beside-another-client-id-fails',
    'RFC 7521 4.2',
    JWT,
    ({ two }) => ({ outside: { client_id: two.clientId } }),
    ['invalid_request', 'invalid_client'],
  ),
  asking(
    'assertion-of-another-type-fails',
    'RFC 7521 4.2',
    JWT,
    () => ({ outside: { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer' } }),
    ['invalid_request', 'invalid_client'],
  ),
  asking(
    'assertion-beside-a-secret-fails',
    'RFC 6749 2.3',
    JWT,
    () => ({ outside: { client_secret: 'a-secret-too' } }),
    ['invalid_request', 'invalid_client'],
  ),
  asking('unknown-client-fails', 'CIBA 13', MTLS, () => ({ clientId: 'no-such-client' }), ['invalid_client']),
  asking('no-client-fails', 'CIBA 13', MTLS, () => ({ clientId: undefined, outside: { client_id: [] } }), [
    'invalid_client',
    'invalid_request',
  ]),
  asking('certificate-of-other-client-fails-at-request', 'RFC 8705 2', MTLS, ({ two }) => ({ certificate: two }), [
    'invalid_client',
  ]),
  polling(
    'certificate-of-other-client-fails-at-token-endpoint',
    'RFC 8705 2',
    MTLS,
    ({ two }) => ({ certificate: two }),
    ['invalid_client'],
  ),
  polling('certificate-of-a-stranger-fails', 'RFC 8705 2', MTLS, ({ target }) => ({ certificate: target.stranger }), [
    'invalid_client',
  ]),
  {
    module: 'no-certificate-fails-at-request',
    section: 'RFC 8705 2',
    applies: MTLS,
    async run(bench) {
      const answer = await bench.one.ask({ certificate: null }).catch((dropped) => dropped);
      if (answer instanceof Error)
        return expect(/ECONNRESET|EPROTO|ERR_SSL|EPIPE/.test(`${answer.code}`), 'a dropped connection', answer);
      await bench.abandon(answer);
      refused(answer, ['invalid_client', 'invalid_request']);
    },
  },
];

export const cases = [...plan, ...beyond];
