// One client of the provider: it asks, polls, refreshes and uses its tokens, rightly unless a case
// says how to do it wrongly.

import { randomUUID } from 'node:crypto';

import { clientAssertion, requestObject } from './signing.mjs';
import { GRANT_TYPE, postForm, send } from './wire.mjs';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

const present = (parameters) =>
  Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined));

export class Client {
  constructor(target, entry) {
    Object.assign(this, entry);
    this.target = target;
    this.byAssertion = this.method === 'private_key_jwt';
  }

  /** TLS with this client's certificate, or with none. */
  tls(certified = this) {
    const { ca } = this.target;
    return certified ? { ca, cert: certified.certificate, key: certified.key } : { ca };
  }

  endpoint(name) {
    const { metadata } = this.target;
    const aliased = metadata.mtls_endpoint_aliases?.[name];
    // As the suite does: the request endpoint has its alias only for clients that prove themselves by TLS.
    if (name === 'backchannel_authentication_endpoint' && this.byAssertion) return metadata[name];
    return aliased ?? metadata[name];
  }

  /**
   * The parameters that prove the client. `assertion` is `false` for none, or changes to the right one:
   * `{ claims, alg, jwk, audience }`.
   */
  async authentication(endpoint, { assertion = {}, clientId = this.clientId } = {}) {
    if (!this.byAssertion || assertion === false) return { client_id: clientId };
    const { audience = endpoint, jwk = this.jwk, ...spoiled } = assertion;
    return {
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: await clientAssertion({ clientId: this.clientId, jwk, audience }, spoiled),
    };
  }

  /** The right request; the scope and the hint are those of the run. */
  parameters(changes = {}) {
    return present({
      scope: this.scope ?? this.target.scope,
      login_hint: this.target.user,
      binding_message: '1234',
      client_notification_token: this.mode === 'ping' ? randomUUID() : undefined,
      ...changes,
    });
  }

  /**
   * A signed authentication request. `parameters` and `claims` change what is in the request object,
   * `signing` how it is signed, `outside` adds form parameters, `unsigned` sends the claims as a form.
   * `certificate` is another client, or null for none.
   */
  async ask({
    parameters = {},
    claims = {},
    signing = {},
    outside = {},
    unsigned = false,
    certificate = this.byAssertion ? null : this,
    ...authentication
  } = {}) {
    const endpoint = this.endpoint('backchannel_authentication_endpoint');
    const asked = this.parameters(parameters);
    const { jwk = this.jwk, issuer = this.clientId, ...how } = signing;
    const about = { clientId: issuer, jwk, issuer: this.target.issuer, parameters: asked };
    const body = unsigned ? asked : { request: await requestObject(about, { claims, ...how }) };
    const proof = await this.authentication(endpoint, authentication);
    const answer = await postForm(endpoint, present({ ...body, ...proof, ...outside }), { tls: this.tls(certificate) });
    answer.notificationToken = asked.client_notification_token;
    return answer;
  }

  /** A request to the token endpoint. `certificate` is another client, or null for none. */
  async token(parameters, { certificate = this, outside = {}, ...authentication } = {}) {
    const endpoint = this.endpoint('token_endpoint');
    const proof = await this.authentication(endpoint, authentication);
    return postForm(endpoint, present({ ...parameters, ...proof, ...outside }), { tls: this.tls(certificate) });
  }

  poll(authReqId, wrong) {
    return this.token({ grant_type: GRANT_TYPE, auth_req_id: authReqId }, wrong);
  }

  refresh(refreshToken, parameters = {}, wrong) {
    return this.token({ grant_type: 'refresh_token', refresh_token: refreshToken, ...parameters }, wrong);
  }

  /** The protected resource. `inQuery` sends the token there instead (RFC 6750 section 2.3). */
  resource(accessToken, { certificate = this, headers = {}, inQuery = false } = {}) {
    const url = new URL(this.target.resource);
    if (inQuery) url.searchParams.set('access_token', accessToken);
    const authorization = inQuery ? {} : { authorization: `Bearer ${accessToken}` };
    return send(url, { headers: { ...authorization, ...headers }, tls: this.tls(certificate) });
  }
}
