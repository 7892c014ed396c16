// What every case works with: two clients of one variant, the person's decision, and the steps that
// the plan's modules have in common.

import * as jose from 'jose';

import { acknowledged, expect, idTokenHeader, pending, tokens } from './expect.mjs';
import { now } from './signing.mjs';
import { postForm } from './wire.mjs';

export const sleep = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

/** How long a decision may take to reach the notification endpoint. */
const PING_WITHIN = 15_000;
const POLLS = 6;

export class Bench {
  constructor({ target, variant, one, two, notifications }) {
    Object.assign(this, { target, variant, one, two, notifications });
  }

  /** A request that must be accepted. */
  async started(client = this.one, request = {}) {
    const answer = await client.ask(request);
    const acknowledgement = acknowledged(answer);
    return { ...acknowledgement, notificationToken: answer.notificationToken };
  }

  /** The conformance switch: what the suite calls `automated_ciba_approval_url`. */
  async decide({ auth_req_id: id }, action = 'allow') {
    const url = this.target.decide.replace('{auth_req_id}', encodeURIComponent(id)).replace('{action}', action);
    const answer = await postForm(url, {}, { tls: { ca: this.target.ca } });
    expect(answer.status >= 200 && answer.status < 300, `2xx from the decision's address`, answer);
  }

  /** Ping: waits for the notification and checks it (CIBA Core section 10.2). Poll: waits for nothing. */
  async notified(started) {
    if (this.variant.mode !== 'ping') return;
    const call = await this.notifications.first(started.notificationToken, PING_WITHIN);
    expect(call, `a notification within ${PING_WITHIN / 1000} s`, 'none');
    expect(call.method === 'POST', 'POST', call.method);
    expect(
      /^application\/json\b/i.test(call.headers['content-type'] ?? ''),
      'content-type application/json',
      call.headers['content-type'],
    );
    expect(call.json?.auth_req_id === started.auth_req_id, 'the auth_req_id of the request', call.body);
    expect(Object.keys(call.json).length === 1, 'no member but auth_req_id', call.body);
    expect(['TLSv1.2', 'TLSv1.3'].includes(call.protocol), 'TLS 1.2 or 1.3', call.protocol);
  }

  /** The answer of the token endpoint once a decision is there. A poll may still be told to wait. */
  async decided(started, client = this.one, wrong) {
    await this.notified(started);
    let wait = (started.interval ?? 5) * 1000;
    for (let polls = 1; ; polls += 1) {
      const answer = await client.poll(started.auth_req_id, wrong);
      const waiting = ['authorization_pending', 'slow_down'].includes(answer.error);
      if (!waiting || polls === POLLS || this.variant.mode === 'ping') return answer;
      pending(answer);
      if (answer.error === 'slow_down') wait += 5_000;
      await sleep(wait);
    }
  }

  /** The whole way: asked, pending, allowed, tokens, and the protected resource. */
  async authenticated(client = this.one, request = {}) {
    const started = await this.started(client, request);
    pending(await client.poll(started.auth_req_id));
    await this.decide(started);
    const granted = tokens(await this.decided(started, client));
    const claims = await this.checkIdToken(client, granted, started);
    return { started, claims, ...granted };
  }

  /** OpenID Connect Core sections 3.1.3.7 and 2, FAPI 1 Advanced section 8.6, with `jose`. */
  async checkIdToken(client, granted, started) {
    expect(typeof granted.id_token === 'string', 'an id_token', Object.keys(granted));
    idTokenHeader(granted.id_token);
    const { keys, issuer } = this.target;
    const algorithms = ['PS256', 'ES256'];
    const verified = await jose
      .jwtVerify(granted.id_token, keys, {
        issuer,
        audience: client.clientId,
        algorithms,
        requiredClaims: ['exp', 'iat', 'sub'],
      })
      .catch((error) => expect(false, 'a valid ID token', error.message));
    const claims = verified.payload;
    expect(Math.abs(now() - claims.iat) < 300, 'iat is now', claims.iat);
    expect(claims.azp === undefined || claims.azp === client.clientId, 'azp is the client', claims.azp);
    expect(!('c_hash' in claims) && !('s_hash' in claims), 'neither c_hash nor s_hash', Object.keys(claims));
    if (claims.at_hash !== undefined) {
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', Buffer.from(granted.access_token)));
      expect(
        claims.at_hash === jose.base64url.encode(digest.slice(0, 16)),
        'at_hash of the access token',
        claims.at_hash,
      );
    }
    const id = claims['urn:openid:params:jwt:claim:auth_req_id'];
    expect(id === undefined || id === started?.auth_req_id, 'the auth_req_id of the request', id);
    return claims;
  }

  /** A request that had to be refused and was not is ended, so that nothing of it arrives later. */
  async abandon(answer) {
    if (answer.status === 200 && answer.json?.auth_req_id) await this.decide(answer.json).catch(() => {});
  }
}
