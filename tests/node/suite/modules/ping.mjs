// Modules of ping: how the provider takes what the client's notification endpoint answers
// (CIBA Core section 10.2). The flow must complete whatever that is.

import { randomUUID } from 'node:crypto';

import { sleep } from '../bench.mjs';
import { expect, refused, tokens } from '../expect.mjs';
import { checkResource } from './resource.mjs';

const PING = (variant) => variant.mode === 'ping';
const TEXT = { 'content-type': 'text/plain' };

/** The endpoint answers so; the tokens are there all the same. `settle` waits for what must not follow. */
function answering(module, section, status, { body = '', headers, settle = 0, check = () => {} }) {
  return {
    module,
    section,
    applies: PING,
    async run(bench) {
      const token = randomUUID();
      bench.notifications.answer(token, status, { body, headers });
      const started = await bench.started(bench.one, { parameters: { client_notification_token: token } });
      await bench.decide(started);
      await bench.notified(started);
      await sleep(settle);
      const granted = tokens(await bench.one.poll(started.auth_req_id));
      await bench.checkIdToken(bench.one, granted, started);
      await checkResource(bench, bench.one, granted.access_token);
      check(bench, token);
    },
  };
}

const calledOnce = ({ notifications }, token) => {
  const { length: calls } = notifications.withToken(token);
  expect(calls === 1, 'one call of the notification endpoint', calls);
};

const notRedirected = ({ notifications }) => {
  const { length: calls } = notifications.redirected();
  expect(calls === 0, 'no call where the redirect points', calls);
};

const plan = [
  answering('fapi-ciba-id1-ping-backchannel-notification-endpoint-response-has-body', 'CIBA 10.2', 200, {
    body: 'a body that says nothing',
    headers: TEXT,
  }),
  answering('fapi-ciba-id1-ping-backchannel-notification-endpoint-response-401', 'CIBA 10.2', 401, {
    body: 'who are you',
    headers: TEXT,
  }),
  answering('fapi-ciba-id1-ping-backchannel-notification-endpoint-response-403', 'CIBA 10.2', 403, {
    body: 'not you',
    headers: TEXT,
  }),
  answering(
    'fapi-ciba-id1-ping-with-mtls-ciba-notification-endpoint-response-401-and-require-server-does-not-retry',
    'CIBA 10.2',
    401,
    { settle: 5_000, check: calledOnce },
  ),
  answering('fapi-ciba-id1-ping-backchannel-notification-endpoint-return-redirect-request', 'CIBA 10.2', 301, {
    headers: { location: '/redirected' },
    settle: 5_000,
    check: notRedirected,
  }),
];

const beyond = [
  answering('ping-endpoint-answers-500', 'CIBA 10.2', 500, { body: 'not now', headers: TEXT }),
  answering('ping-endpoint-answers-403-and-is-left-alone', 'CIBA 10.2', 403, { settle: 5_000, check: calledOnce }),
  {
    module: 'ping-on-denial',
    section: 'CIBA 10.2',
    applies: PING,
    async run(bench) {
      const started = await bench.started();
      await bench.decide(started, 'deny');
      await bench.notified(started);
      refused(await bench.one.poll(started.auth_req_id), ['access_denied'], { statuses: [400] });
    },
  },
  ...[
    ['no-token', undefined],
    ['token-of-1025-characters', 'a'.repeat(1025)],
    ['token-that-is-no-bearer-token', 'two words'],
  ].map(([name, token]) => ({
    module: `ping-request-with-${name}-fails`,
    section: 'CIBA 7.1',
    applies: PING,
    async run(bench) {
      const answer = await bench.one.ask({ parameters: { client_notification_token: token } });
      await bench.abandon(answer);
      refused(answer, ['invalid_request'], { statuses: [400] });
    },
  })),
];

export const cases = [...plan, ...beyond];
