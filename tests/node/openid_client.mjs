// `openid-client` from npm, unmodified, against a running CIBA provider.
//
//   node openid_client.mjs ISSUER CLIENT SECRET USER DECIDE [--post-client ID] [--unpaced]
//
// DECIDE is a command line as a JSON array in which "{}" stands for the words `list --json`,
// `approve TRANSACTION` or `deny TRANSACTION`, so for ciba-host
//
//   ["target/debug/ciba-host", "request", "{}", "--data", "DATA"]
//
// CLIENT may use client_secret_basic and, unless `--post-client` names another one with the same
// secret, client_secret_post. `--unpaced` leaves out the checks of `slow_down`, for providers that
// never send it. Prints one `ok …` line for each check; the first failure ends it with status 1.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { parseArgs, promisify } from 'node:util';

import * as jose from 'jose';
import * as client from 'openid-client';

import { checkIdToken } from './id_token.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'post-client': { type: 'string' }, unpaced: { type: 'boolean', default: false } },
});
assert.equal(positionals.length, 5, 'arguments: ISSUER CLIENT SECRET USER DECIDE');
const [issuer, clientId, secret, user, decideJson] = positionals;
const decideCommand = JSON.parse(decideJson);
const postClientId = options['post-client'] ?? clientId;

const GRANT_TYPE = 'urn:openid:params:grant-type:ciba';
const ASKED_ACR = 'urn:example:gold';

function ok(what) {
  console.log(`ok ${what}`);
}

// What the person does.

async function requestCommand(...words) {
  const [program, ...rest] = decideCommand.flatMap((word) => (word === '{}' ? words : [word]));
  const { stdout } = await promisify(execFile)(program, rest, { timeout: 30_000 });
  return stdout;
}

async function pendingTransactions(ofClient) {
  const all = JSON.parse(await requestCommand('list', '--json'));
  assert.ok(Array.isArray(all), '`request list --json` is an array');
  for (const request of all) {
    for (const member of ['transaction', 'user', 'client', 'state', 'expires_at']) {
      assert.ok(member in request, `\`request list --json\`: every element has ${member}`);
    }
  }
  return all
    .filter((one) => one.user === user && one.client === ofClient && one.state === 'pending')
    .map((one) => one.transaction);
}

// What the client does.

/** Answers of the token endpoint as `openid-client` saw them: `{ at, error }`, milliseconds. */
function recordPolls(configuration) {
  const polls = [];
  configuration[client.customFetch] = async (url, init) => {
    const answer = await fetch(url, init);
    if (String(init?.body ?? '').includes('auth_req_id=')) {
      const { error } = await answer.clone().json();
      polls.push({ at: Date.now(), error });
    }
    return answer;
  };
  return polls;
}

async function discover(id, authentication) {
  const configuration = await client.discovery(new URL(issuer), id, undefined, authentication, {
    // Plain HTTP is for loopback, where these tests run.
    execute: [client.allowInsecureRequests],
    algorithm: 'oidc',
  });
  // Without this `openid-client` relies on TLS instead of verifying the ID token's signature.
  client.enableNonRepudiationChecks(configuration);
  return configuration;
}

/** One start at a time: the new entry in the list is then the transaction that was started. */
let starting = Promise.resolve();

function start(configuration, parameters = {}) {
  const ofClient = configuration.clientMetadata().client_id;
  const one = starting.then(async () => {
    const before = new Set(await pendingTransactions(ofClient));
    const answer = await client.initiateBackchannelAuthentication(configuration, {
      scope: 'openid',
      login_hint: user,
      binding_message: 'Pay 42.50 at Fern & Co',
      acr_values: ASKED_ACR,
      ...parameters,
    });
    const added = (await pendingTransactions(ofClient)).filter((id) => !before.has(id));
    assert.equal(added.length, 1, 'a start adds one pending transaction to the list');
    assert.notEqual(added[0], answer.auth_req_id, 'a device never learns the auth_req_id');
    return { ...answer, transaction: added[0] };
  });
  starting = one.catch(() => {});
  return one;
}

function poll(configuration, started, milliseconds = 60_000) {
  const signal = AbortSignal.timeout(milliseconds);
  return client.pollBackchannelAuthenticationGrant(configuration, started, {}, { signal });
}

/** A poll without the library, which waits between polls and hides `slow_down`. */
async function rawPoll(started, wrong = {}) {
  const basic = [clientId, wrong.secret ?? secret].map(encodeURIComponent).join(':');
  const answer = await fetch(endpoints.token_endpoint, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(basic).toString('base64')}` },
    body: new URLSearchParams({ grant_type: GRANT_TYPE, auth_req_id: started.auth_req_id }),
  });
  return { status: answer.status, headers: answer.headers, ...(await answer.json()) };
}

async function refused(promise, error, status, what) {
  await assert.rejects(
    promise,
    (thrown) => {
      assert.equal(thrown.error, error, `${what}: error, seen ${thrown}`);
      assert.equal(thrown.status, status, `${what}: status`);
      return true;
    },
    `${what}: must be refused`,
  );
}

const sleep = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

// The checks.

function checkDiscovery(metadata) {
  assert.equal(metadata.issuer, issuer, 'issuer');
  assert.ok(metadata.backchannel_authentication_endpoint, 'backchannel_authentication_endpoint');
  assert.ok(metadata.backchannel_token_delivery_modes_supported.includes('poll'), 'poll mode');
  assert.ok(metadata.grant_types_supported.includes(GRANT_TYPE), 'CIBA grant type');
  assert.ok(metadata.id_token_signing_alg_values_supported.includes('ES256'), 'ES256');
  const methods = metadata.token_endpoint_auth_methods_supported;
  for (const method of ['client_secret_basic', 'client_secret_post']) {
    assert.ok(methods.includes(method), method);
  }
  ok('discovery names the CIBA endpoint, grant, mode, methods and algorithm');
}

async function approved(configuration, method) {
  const startedAt = Date.now() / 1000;
  const started = await start(configuration);
  assert.match(started.auth_req_id, /^[A-Za-z0-9._-]{43,}$/, 'auth_req_id: 256 bits');
  assert.ok(started.expires_in > 0, 'expires_in');
  await requestCommand('approve', started.transaction);
  const tokens = await poll(configuration, started);
  assert.equal(tokens.token_type.toLowerCase(), 'bearer', 'token_type');
  assert.ok(tokens.expires_in > 0, 'expires_in of the access token');
  const sub = await checkIdToken(tokens, {
    keys,
    issuer,
    audience: configuration.clientMetadata().client_id,
    startedAt,
  });
  ok(`${method}: approved, ID token valid for openid-client and jose, no acr`);
  await refused(poll(configuration, started), 'invalid_grant', 400, 'second redemption');
  ok(`${method}: redeemed twice: invalid_grant`);
  return sub;
}

async function denied(configuration) {
  const started = await start(configuration);
  await requestCommand('deny', started.transaction);
  await refused(poll(configuration, started), 'access_denied', 400, 'denied');
  ok('denied: access_denied');
}

async function expired(configuration) {
  const started = await start(configuration, { requested_expiry: '2' });
  assert.equal(started.expires_in, 2, 'requested_expiry is what expires_in says');
  await sleep(2_500);
  await refused(poll(configuration, started), 'expired_token', 400, 'expired');
  ok('expired: expired_token');
}

/** Polls too fast without the library: the interval grows by 5 s each time, from 5 to 10 to 15. */
async function paced(configuration) {
  const started = await start(configuration);
  const first = await rawPoll(started);
  assert.equal(first.error, 'authorization_pending', 'the first poll is never too early');
  assert.equal(first.status, 400, 'authorization_pending: status');
  assert.match(first.headers.get('cache-control') ?? '', /no-store/, 'Cache-Control');
  ok('pending: authorization_pending');
  if (options.unpaced) return;
  assert.equal(started.interval, 5, 'interval');
  const second = await rawPoll(started);
  assert.equal(second.error, 'slow_down', 'two polls in quick succession');
  assert.equal(second.status, 400, 'slow_down: status');
  await sleep(6_500);
  const third = await rawPoll(started);
  assert.equal(third.error, 'slow_down', 'more than 5 s later, but less than the raised 10 s');
  await requestCommand('approve', started.transaction);
  const fourth = await rawPoll(started);
  assert.equal(fourth.status, 200, `decided: answered at once, whatever the pace; ${fourth.error}`);
  ok('too fast: slow_down, which raises the interval by 5 s; a decided request is answered at once');
}

/** Makes the library's own first poll too early and sees that it and the provider agree on 10 s. */
async function slowedDown(authentication) {
  const configuration = await discover(clientId, authentication);
  const polls = recordPolls(configuration);
  const started = await start(configuration);
  const tokens = poll(configuration, started);
  await sleep(3_000);
  assert.equal((await rawPoll(started)).error, 'authorization_pending', 'a poll of somebody else');
  await waitFor(() => polls.length === 2, 25_000, 'two polls by openid-client');
  assert.deepEqual(polls.map((one) => one.error), ['slow_down', 'authorization_pending']);
  assert.ok(polls[1].at - polls[0].at >= 9_900, 'openid-client waited 5 s longer');
  await requestCommand('approve', started.transaction);
  assert.ok((await tokens).id_token, 'the slowed client still gets its tokens');
  ok('slow_down: openid-client polls 5 s slower, is not throttled again and gets its tokens');
}

async function waitFor(condition, milliseconds, what) {
  for (const until = Date.now() + milliseconds; !condition(); await sleep(50)) {
    assert.ok(Date.now() < until, `did not happen: ${what}`);
  }
}

async function wrongSecret() {
  const answer = await rawPoll({ auth_req_id: 'a'.repeat(43) }, { secret: 'not-the-secret' });
  assert.equal(answer.status, 401, 'wrong secret: status');
  assert.equal(answer.error, 'invalid_client', 'wrong secret: error');
  assert.match(answer.headers.get('www-authenticate') ?? '', /^Basic\b/i, 'WWW-Authenticate');
  for (const authentication of [client.ClientSecretBasic, client.ClientSecretPost]) {
    const id = authentication === client.ClientSecretPost ? postClientId : clientId;
    const stranger = await discover(id, authentication('not-the-secret'));
    const start = { scope: 'openid', login_hint: user };
    await assert.rejects(client.initiateBackchannelAuthentication(stranger, start), (thrown) => {
      assert.equal(thrown.status ?? thrown.cause?.status, 401, `${authentication.name}: ${thrown}`);
      return true;
    });
  }
  ok('wrong secret: 401 invalid_client, with WWW-Authenticate for client_secret_basic');
}

const basic = await discover(clientId, client.ClientSecretBasic(secret));
const post = await discover(postClientId, client.ClientSecretPost(secret));
const endpoints = basic.serverMetadata();
const keys = jose.createRemoteJWKSet(new URL(endpoints.jwks_uri));

checkDiscovery(endpoints);
await wrongSecret();
// Side by side, because most of each is waiting for the interval to pass.
const [sub, samePerson] = await Promise.all([
  approved(basic, 'client_secret_basic'),
  approved(post, 'client_secret_post'),
  denied(basic),
  expired(basic),
  paced(basic),
  options.unpaced || slowedDown(client.ClientSecretBasic(secret)),
]);
assert.equal(sub, samePerson, 'the same person has the same sub');
ok('all');
