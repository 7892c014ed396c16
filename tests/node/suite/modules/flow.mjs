// Modules of the well-behaved client, of the person who says no or nothing, and of hints and times.

import { sleep } from '../bench.mjs';
import { acknowledged, expect, pending, refused, tokens } from '../expect.mjs';
import { checkResource } from './resource.mjs';

// Long and outside of ASCII, with a character that consists of several: what a device may be unable to show.
const HARD_TO_SHOW = `1234 \u{1F44D}\u{1F3FF} 品川 ${'The quick brown fox jumps over the lazy dog. '.repeat(11).trim()}`;

const plan = [
  {
    module: 'fapi-ciba-id1',
    section: 'CIBA 7 to 11, FAPI-CIBA 5.2.2',
    async run(bench) {
      const { one, two, target } = bench;
      const first = await bench.started(one, audienceOf(bench, one, target.issuer));
      pending(await one.poll(first.auth_req_id));
      await sleep((first.interval ?? 5) * 1000);
      pending(await one.poll(first.auth_req_id));
      await bench.decide(first);
      const granted = tokens(await bench.decided(first, one));
      await bench.checkIdToken(one, granted, first);
      await checkResource(bench, one, granted.access_token);
      await anyAcceptHeader(bench, granted.access_token);
      await secondClient(bench, two);
    },
  },
  {
    module: 'fapi-ciba-id1-user-rejects-authentication',
    section: 'CIBA 11',
    async run(bench) {
      const started = await bench.started();
      pending(await bench.one.poll(started.auth_req_id));
      await bench.decide(started, 'deny');
      refused(await bench.decided(started), ['access_denied'], { statuses: [400] });
    },
  },
  {
    module: 'fapi-ciba-id1-multiple-call-to-token-endpoint',
    section: 'CIBA 11',
    async run(bench) {
      const started = await bench.started();
      for (let polls = 0; polls < 20; polls += 1) {
        const answer = await bench.one.poll(started.auth_req_id);
        if (answer.status === 503) {
          expect(answer.json?.error !== undefined, 'an error in the body of 503', answer);
          expect(/^\d+$/.test(answer.headers['retry-after'] ?? ''), 'Retry-After', answer.headers['retry-after']);
          break;
        }
        refused(answer, ['authorization_pending', 'slow_down', 'invalid_request']);
        if (answer.error === 'invalid_request') break;
      }
      await bench.decide(started);
      await bench.notified(started);
    },
  },
  {
    module: 'fapi-ciba-id1-auth-req-id-expired',
    section: 'CIBA 11',
    async run(bench) {
      const started = await bench.started(bench.one, { parameters: { requested_expiry: 10 } });
      expect(started.expires_in <= 30, 'expires_in near the 10 s that were asked for', started.expires_in);
      pending(await bench.one.poll(started.auth_req_id));
      await sleep((started.expires_in + 1) * 1000);
      refused(await bench.one.poll(started.auth_req_id), ['expired_token'], { statuses: [400] });
    },
  },
  succeeds('fapi-ciba-id1-ensure-authorization-request-with-binding-message-succeeds', 'CIBA 7.1', () => ({
    parameters: { binding_message: '1234' },
  })),
  succeeds('fapi-ciba-id1-ensure-other-scope-order-succeeds', 'RFC 6749 3.3', ({ target }) => ({
    parameters: { scope: target.scope.split(' ').reverse().join(' ') },
  })),
  succeeds('fapi-ciba-id1-ensure-requested-expiry-as-string-succeeds', 'CIBA 7.1.1', () => ({
    parameters: { requested_expiry: '30' },
  })),
  {
    module: 'fapi-ciba-id1-ensure-authorization-request-with-potentially-bad-binding-message',
    section: 'CIBA 7.1',
    async run(bench) {
      const answer = await bench.one.ask({ parameters: { binding_message: HARD_TO_SHOW } });
      if (answer.status === 200) return bench.decide(acknowledged(answer));
      refused(answer, ['invalid_binding_message'], { statuses: [400] });
    },
  },
  {
    module: 'fapi-ciba-id1-ensure-authorization-request-with-multiple-hints-fails',
    section: 'CIBA 7.2-3',
    async run(bench) {
      const parameters = { login_hint: 'john@example.com', login_hint_token: 'x'.repeat(20) };
      const answer = await bench.one.ask({ parameters });
      await bench.abandon(answer);
      refused(answer, ['invalid_request'], { statuses: [400] });
    },
  },
];

/** The assertion's audience varies as in the plan: the issuer, then the token endpoint. */
function audienceOf({ one }, client, audience) {
  return one.byAssertion ? { assertion: { audience }, certificate: null } : {};
}

/** The second client: other audience, long notification token, `typ`, `acr_values`, `requested_expiry`. */
async function secondClient(bench, two) {
  const { metadata, acr } = bench.target;
  const asked = (metadata.acr_values_supported ?? []).includes(acr) ? acr : undefined;
  const started = await bench.started(two, {
    ...audienceOf(bench, two, two.endpoint('token_endpoint')),
    signing: { typ: 'oauth-authz-req+jwt' },
    parameters: {
      requested_expiry: 300,
      acr_values: asked,
      ...(bench.variant.mode === 'ping' && { client_notification_token: longToken() }),
    },
  });
  await bench.decide(started);
  const granted = tokens(await bench.decided(started, two));
  const { acr: reached } = await bench.checkIdToken(two, granted, started);
  if (asked) expect(reached === asked, `acr ${asked}`, reached);
  await checkResource(bench, two, granted.access_token, null);
  const stolen = await two.resource(granted.access_token, { certificate: bench.one });
  expect(stolen.status >= 400 && stolen.status < 500, "4xx for a token with another client's certificate", stolen);
  refused(await two.poll(started.auth_req_id), ['invalid_grant'], { statuses: [400] });
}

/** As long as CIBA Core section 7.1 allows. */
function longToken() {
  return Array.from({ length: 32 }, () => crypto.randomUUID().replaceAll('-', '')).join('');
}

async function anyAcceptHeader({ one }, accessToken) {
  for (const accept of ['application/json;charset=UTF-8', 'application/json, application/*+json, */*']) {
    const answer = await one.resource(accessToken, {
      headers: { accept, 'x-fapi-customer-ip-address': '2001:db8::1893:25c8:1946' },
    });
    expect(answer.status === 200, `200 with accept: ${accept}`, answer);
  }
}

function succeeds(module, section, request) {
  return { module, section, run: async (bench) => void (await bench.authenticated(bench.one, request(bench))) };
}

const refusedRequest = (module, section, parameters, errors = ['invalid_request']) => ({
  module,
  section,
  async run(bench) {
    const answer = await bench.one.ask({ parameters: parameters(bench) });
    await bench.abandon(answer);
    refused(answer, errors, { statuses: [400] });
  },
});

/** What the text says and the plan has no module for. */
const beyond = [
  refusedRequest('no-hint-fails', 'CIBA 7.1', () => ({ login_hint: undefined })),
  refusedRequest('unknown-user-fails', 'CIBA 13', () => ({ login_hint: 'nobody-knows-this-person' }), [
    'unknown_user_id',
  ]),
  refusedRequest(
    'id-token-hint-that-is-no-jwt-fails',
    'CIBA 7.2',
    () => ({ login_hint: undefined, id_token_hint: 'not-a-jwt' }),
    ['invalid_request', 'unknown_user_id'],
  ),
  refusedRequest('scope-without-openid-fails', 'CIBA 7.1', () => ({ scope: 'profile' }), [
    'invalid_scope',
    'invalid_request',
  ]),
  refusedRequest('no-scope-fails', 'CIBA 7.1', () => ({ scope: undefined }), ['invalid_scope', 'invalid_request']),
  refusedRequest('request-without-binding-message-fails', 'FAPI-CIBA 5.2.2-2', () => ({ binding_message: undefined }), [
    'invalid_request',
    'invalid_binding_message',
  ]),
  ...[
    ['0', 'zero'],
    ['-5', 'negative'],
    ['soon', 'word'],
    ['1.5', 'fraction'],
  ].map(([value, name]) =>
    refusedRequest(`requested-expiry-${name}-fails`, 'CIBA 7.1', () => ({ requested_expiry: value })),
  ),
  {
    module: 'answer-after-two-quick-polls-is-slow-down',
    section: 'CIBA 11',
    async run(bench) {
      const started = await bench.started();
      refused(await bench.one.poll(started.auth_req_id), ['authorization_pending']);
      refused(await bench.one.poll(started.auth_req_id), ['slow_down']);
      await bench.decide(started);
    },
  },
  {
    module: 'decided-request-is-answered-whatever-the-pace',
    section: 'CIBA 11',
    async run(bench) {
      const started = await bench.started();
      await bench.one.poll(started.auth_req_id);
      await bench.decide(started);
      await bench.notified(started);
      tokens(await bench.one.poll(started.auth_req_id));
    },
  },
  {
    module: 'denied-request-is-never-granted-later',
    section: 'CIBA 11',
    async run(bench) {
      const started = await bench.started();
      await bench.decide(started, 'deny');
      await bench.decide(started, 'allow').catch(() => {});
      const answer = await bench.one.poll(started.auth_req_id);
      refused(answer, ['access_denied'], { statuses: [400] });
    },
  },
  {
    module: 'sixteen-polls-at-once-get-one-set-of-tokens',
    section: 'CIBA 11',
    async run(bench) {
      const started = await bench.started();
      await bench.decide(started);
      await bench.notified(started);
      const answers = await Promise.all(Array.from({ length: 16 }, () => bench.one.poll(started.auth_req_id)));
      const won = answers.filter(({ status }) => status === 200);
      expect(won.length === 1, 'one set of tokens', won.length);
      for (const lost of answers.filter((answer) => answer !== won[0])) {
        refused(lost, ['invalid_grant', 'slow_down', 'authorization_pending']);
      }
      await checkResource(bench, bench.one, won[0].json.access_token);
    },
  },
];

export const cases = [...plan, ...beyond];
