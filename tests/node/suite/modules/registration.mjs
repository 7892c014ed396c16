// Dynamic registration: RFC 7591 and 7592, CIBA Core section 4. The plan has no modules of its own for
// it; its modules run with clients that were registered, which `main.mjs` does.

import { expect } from '../expect.mjs';
import { manage, register, registrationRequest } from '../register.mjs';

const DYNAMIC = (variant) => variant.registration === 'dynamic';

const request = ({ variant, notifications }, changes = {}) =>
  registrationRequest({ ...variant, notificationOrigin: notifications.origin }).then(({ metadata }) => ({
    ...metadata,
    ...changes,
  }));

const refusedMetadata = (module, section, changes, applies = DYNAMIC) => ({
  module,
  section,
  applies,
  async run(bench) {
    const answer = await register(bench.target, await request(bench, changes(bench)));
    if (answer.status === 201) await manage(bench.target, answer.json, 'DELETE').catch(() => {});
    expect(answer.status === 400, '400', answer);
    expect(
      ['invalid_client_metadata', 'invalid_redirect_uri'].includes(answer.error),
      'invalid_client_metadata',
      answer,
    );
  },
});

const onlyPing = (variant) => DYNAMIC(variant) && variant.mode === 'ping';

export const cases = [
  {
    module: 'registration-tells-what-was-registered',
    section: 'RFC 7591 3.2.1',
    applies: DYNAMIC,
    async run(bench) {
      const asked = await request(bench);
      const { json } = await register(bench.target, asked);
      for (const name of [
        'client_name',
        'token_endpoint_auth_method',
        'backchannel_token_delivery_mode',
        'tls_client_certificate_bound_access_tokens',
      ]) {
        expect(json?.[name] === asked[name], `${name} ${asked[name]}`, JSON.stringify(json?.[name]));
      }
      expect(json.client_secret === undefined, 'no secret for a client that needs none', 'client_secret');
      await manage(bench.target, json, 'DELETE');
    },
  },
  {
    module: 'registered-client-reads-and-deletes-itself',
    section: 'RFC 7592 2.1, 2.3',
    applies: DYNAMIC,
    async run(bench) {
      const { json } = await register(bench.target, await request(bench));
      expect(
        json?.registration_client_uri && json.registration_access_token,
        'registration_client_uri and its token',
        JSON.stringify(json),
      );
      const read = await manage(bench.target, json, 'GET');
      expect(read.status === 200 && read.json?.client_id === json.client_id, 'its metadata', read);
      const removed = await manage(bench.target, json, 'DELETE');
      expect(removed.status === 204, '204', removed);
      const after = await manage(bench.target, json, 'GET');
      expect(after.status === 401, '401 for a client that is gone', after);
    },
  },
  {
    module: 'registration-without-initial-access-token-is-refused',
    section: 'RFC 7591 3',
    applies: DYNAMIC,
    lacks: ({ target }) => !target.initialAccessToken && 'it lets everybody register',
    async run(bench) {
      const answer = await register(bench.target, await request(bench), { initialAccessToken: '' });
      expect([400, 401].includes(answer.status), '401', answer);
    },
  },
  refusedMetadata('registration-of-an-unknown-delivery-mode-is-refused', 'CIBA 4', () => ({
    backchannel_token_delivery_mode: 'carrier-pigeon',
  })),
  refusedMetadata('registration-of-ping-without-endpoint-is-refused', 'CIBA 4', () => ({
    backchannel_token_delivery_mode: 'ping',
    backchannel_client_notification_endpoint: undefined,
  })),
  refusedMetadata(
    'registration-of-an-endpoint-without-tls-is-refused',
    'CIBA 4',
    () => ({ backchannel_client_notification_endpoint: 'http://client.example/cb' }),
    onlyPing,
  ),
  refusedMetadata('registration-without-keys-is-refused', 'RFC 7591 2', () => ({ jwks: undefined })),
  refusedMetadata('registration-of-a-symmetric-request-algorithm-is-refused', 'CIBA 4', () => ({
    backchannel_authentication_request_signing_alg: 'HS256',
  })),
];
