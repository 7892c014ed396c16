// Modules of the token endpoint: whose request it is, refresh tokens, and the holder of the key.

import { sleep } from '../bench.mjs';
import { expect, pending, refused, tokens } from '../expect.mjs';
import { GRANT_TYPE } from '../wire.mjs';
import { checkResource } from './resource.mjs';

const HOLDER = ['invalid_request', 'invalid_grant', 'invalid_client'];

/** Starts, does one wrong thing with the request, and ends it. */
const pendingCase = (module, section, check, more = {}) => ({
  module,
  section,
  ...more,
  async run(bench) {
    const started = await bench.started();
    try {
      await check(bench, started);
    } finally {
      await bench.decide(started).catch(() => {});
    }
  },
});

/** RFC 6749 section 5.2 for a client whose TLS never gets through: a connection that is dropped says enough. */
async function orDropped(answering) {
  try {
    return await answering;
  } catch (dropped) {
    if (/ECONNRESET|EPROTO|ERR_SSL|EPIPE|socket hang up/.test(`${dropped.code} ${dropped.message}`)) return undefined;
    throw dropped;
  }
}

const plan = [
  pendingCase('fapi-ciba-id1-ensure-wrong-auth-req-id-in-token-endpoint-request', 'CIBA 11', async (bench, started) => {
    refused(await bench.two.poll(started.auth_req_id), ['invalid_grant'], { statuses: [400] });
  }),
  pendingCase(
    'fapi-ciba-id1-ensure-mtls-holder-of-key-required',
    'FAPI 1 Advanced 5.2.2-6, RFC 8705 3',
    async (bench, started) => {
      const answer = await orDropped(bench.one.poll(started.auth_req_id, { certificate: null }));
      if (answer) refused(answer, bench.one.byAssertion ? HOLDER : ['invalid_client', 'invalid_request']);
    },
  ),
  {
    module: 'fapi-ciba-id1-refresh-token',
    section: 'RFC 6749 6, OpenID Connect Core 12.2',
    async run(bench) {
      const { one, two } = bench;
      const mine = await refreshed(bench, one, { scope: bench.target.scope });
      const other = await refreshed(bench, two, {});
      expect(mine && other, 'refresh tokens for clients registered for them', 'none');
      refused(await one.refresh(other), ['invalid_grant'], { statuses: [400] });
    },
  },
];

/** Refreshes once and compares both ID tokens; gives the refresh token that is good now. */
async function refreshed(bench, client, parameters) {
  const first = await bench.authenticated(client);
  if (!first.refresh_token) return undefined;
  // A second, so that the `iat` of both ID tokens differ.
  await sleep(1_100);
  const second = tokens(await client.refresh(first.refresh_token, parameters));
  if (second.id_token) {
    const { iss, sub, aud, iat, auth_time: when } = await bench.checkIdToken(client, second);
    const before = first.claims;
    expect(iss === before.iss && sub === before.sub, 'the same iss and sub', `${iss} ${sub}`);
    expect(JSON.stringify(aud) === JSON.stringify(before.aud), 'the same aud', aud);
    expect(iat > before.iat, 'a later iat', `${before.iat} then ${iat}`);
    expect(
      when === before.auth_time,
      'auth_time of the authentication, not of the refresh',
      `${before.auth_time} then ${when}`,
    );
  }
  expect(second.access_token !== first.access_token, 'another access token', 'the same');
  await checkResource(bench, client, second.access_token);
  return second.refresh_token ?? first.refresh_token;
}

/** What the text says and the plan has no module for. */
const beyond = [
  pendingCase('auth-req-id-that-never-was', 'CIBA 11', async ({ one }) => {
    refused(await one.poll('a'.repeat(43)), ['invalid_grant'], { statuses: [400] });
  }),
  pendingCase('token-request-without-auth-req-id', 'RFC 6749 5.2', async ({ one }) => {
    refused(await one.token({ grant_type: GRANT_TYPE }), ['invalid_request'], { statuses: [400] });
    refused(
      await one.token({ grant_type: 'urn:example:no-such-grant' }),
      ['unsupported_grant_type', 'unauthorized_client'],
      { statuses: [400] },
    );
  }),
  pendingCase('auth-req-id-given-twice', 'RFC 6749 3.2', async ({ one }, started) => {
    const twice = [started.auth_req_id, started.auth_req_id];
    refused(await one.token({ grant_type: GRANT_TYPE, auth_req_id: twice }), ['invalid_request'], { statuses: [400] });
  }),
  {
    module: 'other-client-cannot-redeem-an-allowed-request',
    section: 'CIBA 11',
    async run(bench) {
      const started = await bench.started();
      await bench.decide(started);
      refused(await bench.two.poll(started.auth_req_id), ['invalid_grant'], { statuses: [400] });
      tokens(await bench.decided(started));
    },
  },
  {
    module: 'refresh-token-is-not-an-auth-req-id',
    section: 'RFC 6749 5.2',
    async run(bench) {
      refused(await bench.one.refresh('b'.repeat(43)), ['invalid_grant'], { statuses: [400] });
      const started = await bench.started();
      refused(await bench.one.refresh(started.auth_req_id), ['invalid_grant'], { statuses: [400] });
      pending(await bench.one.poll(started.auth_req_id));
      await bench.decide(started);
    },
  },
];

export const cases = [...plan, ...beyond];
