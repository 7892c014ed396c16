// Modules of the protected resource: FAPI 1 Baseline section 6.2, RFC 6750, RFC 8705.

import { randomUUID } from 'node:crypto';

import { expect } from '../expect.mjs';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** FAPI 1 Baseline section 6.2.1, 9 to 12. Without an `interaction` the resource makes one, a UUID. */
export async function checkResource(bench, client, accessToken, interaction = randomUUID()) {
  const headers = {
    ...(interaction && { 'x-fapi-interaction-id': interaction }),
    'x-fapi-auth-date': new Date().toUTCString(),
    accept: 'application/json',
  };
  const answer = await client.resource(accessToken, { headers });
  expect([200, 201].includes(answer.status), '200 from the resource', answer);
  expect(
    /^application\/json\b/i.test(answer.headers['content-type'] ?? ''),
    'JSON from the resource',
    answer.headers['content-type'],
  );
  expect(Number.isFinite(Date.parse(answer.headers.date)), 'a Date header', answer.headers.date);
  const echoed = answer.headers['x-fapi-interaction-id'];
  if (interaction) expect(echoed === interaction, 'the same x-fapi-interaction-id', echoed);
  else expect(UUID.test(echoed ?? ''), 'an x-fapi-interaction-id that is a UUID', echoed);
}

const withToken = (module, section, check) => ({
  module,
  section,
  async run(bench) {
    const { access_token: accessToken } = await bench.authenticated();
    await check(bench, accessToken);
  },
});

function unauthorized(answer, statuses = [401]) {
  expect(statuses.includes(answer.status), statuses.join(' or '), answer);
}

export const cases = [
  withToken('access-token-in-query-is-refused', 'FAPI 1 Baseline 6.2.1-4', async ({ one }, token) => {
    unauthorized(await one.resource(token, { inQuery: true }), [400, 401, 414]);
  }),
  withToken('access-token-without-certificate-is-refused', 'RFC 8705 3', async ({ one }, token) => {
    const answer = await one
      .resource(token, { certificate: null })
      .catch((dropped) => ({ status: 401, headers: {}, dropped }));
    unauthorized(answer);
  }),
  withToken('interaction-id-is-made-when-none-is-sent', 'FAPI 1 Baseline 6.2.1-11', async ({ one }, token) => {
    const answer = await one.resource(token);
    expect(
      UUID.test(answer.headers['x-fapi-interaction-id'] ?? ''),
      'an x-fapi-interaction-id',
      answer.headers['x-fapi-interaction-id'],
    );
  }),
  withToken('resource-tells-what-it-wants', 'RFC 6750 3', async ({ one }) => {
    const answer = await one.resource('not-a-token-of-ours');
    unauthorized(answer);
    const challenge = answer.headers['www-authenticate'] ?? '';
    expect(
      /^(Bearer|DPoP)\b/i.test(challenge) && /invalid_token/.test(challenge),
      'WWW-Authenticate with invalid_token',
      challenge,
    );
  }),
];
