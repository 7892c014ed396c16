// Dynamic registration as the suite does it (RFC 7591): no `redirect_uris`, no `scope`, empty
// `response_types`, and keys whose `x5c` is the certificate of the TLS connection.

import { randomUUID } from 'node:crypto';

import * as certificates from './certificates.mjs';
import { expect } from './expect.mjs';
import { publicPart, signingKey } from './signing.mjs';
import { GRANT_TYPE, postJson, send } from './wire.mjs';

export async function registrationRequest({ authentication, mode, notificationOrigin }) {
  const name = `Suite ${randomUUID()}`;
  const jwk = await signingKey('PS256', randomUUID());
  const { certificate, key } = await certificates.fromSigningKey(jwk, `CN=${name}`);
  const self = authentication === 'mtls';
  const metadata = {
    client_name: name,
    grant_types: [GRANT_TYPE, 'refresh_token'],
    response_types: [],
    jwks: { keys: [{ ...publicPart(jwk), x5c: [certificates.x5c(certificate)] }] },
    backchannel_user_code_parameter: false,
    backchannel_token_delivery_mode: mode,
    ...(mode === 'ping' && { backchannel_client_notification_endpoint: `${notificationOrigin}/${randomUUID()}` }),
    backchannel_authentication_request_signing_alg: 'PS256',
    id_token_signed_response_alg: 'PS256',
    token_endpoint_auth_method: self ? 'self_signed_tls_client_auth' : 'private_key_jwt',
    ...(!self && { token_endpoint_auth_signing_alg: 'PS256' }),
    tls_client_certificate_bound_access_tokens: true,
  };
  return { metadata, jwk, certificate, key };
}

export function register(target, metadata, { initialAccessToken = target.initialAccessToken } = {}) {
  const headers = initialAccessToken ? { authorization: `Bearer ${initialAccessToken}` } : {};
  return postJson(target.metadata.registration_endpoint, metadata, { headers, tls: { ca: target.ca } });
}

/** A registered client, in the shape that `Client` takes. */
export async function registered(target, variant, notificationOrigin) {
  const { metadata, jwk, certificate, key } = await registrationRequest({ ...variant, notificationOrigin });
  const answer = await register(target, metadata);
  expect(answer.status === 201, '201 for a registration', answer);
  const { client_id: clientId } = answer.json;
  expect(typeof clientId === 'string' && clientId !== '', 'a client_id', answer);
  const method = metadata.token_endpoint_auth_method;
  return { clientId, method, mode: variant.mode, jwk, certificate, key, answer: answer.json };
}

/** RFC 7592 sections 2.1 and 2.3, with the token that the registration gave. */
export function manage(target, { registration_client_uri: uri, registration_access_token: token }, method) {
  return send(uri, { method, headers: { authorization: `Bearer ${token}` }, tls: { ca: target.ca } });
}
