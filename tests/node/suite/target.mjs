// What a run needs to know about the provider that it tests, and the files that tell the provider
// about the clients of the run:
//
//   FOLDER/ca.pem                      the authority of everything below
//   FOLDER/server.pem, server-key.pem  for the provider's TLS, on this machine
//   FOLDER/clients/NAME.json           RFC 7591 metadata of each client, with its `client_id`
//   FOLDER/secrets/NAME.json           its signing key (JWK) and its certificate, for other programs
//
// Two clients for each way of authentication and each delivery mode, because many modules use one
// client's request, key or certificate as the other.

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import * as certificates from './certificates.mjs';
import { plainClients } from './plain_clients.mjs';
import { publicPart, signingKey } from './signing.mjs';
import { GRANT_TYPE } from './wire.mjs';

/** The suite's two values of `client_auth_type`. */
export const AUTHENTICATIONS = ['private_key_jwt', 'mtls'];
export const MODES = ['poll', 'ping'];

export function clientName(authentication, mode, number) {
  return `${authentication === 'mtls' ? 'mtls' : 'jwt'}-${mode}-${number}`;
}

/**
 * How a client proves itself: with mTLS, poll clients by a certificate of the authority, ping clients
 * by one they signed themselves (RFC 8705 sections 2.1 and 2.2).
 */
function authenticationMethod(authentication, mode) {
  if (authentication === 'private_key_jwt') return 'private_key_jwt';
  return mode === 'poll' ? 'tls_client_auth' : 'self_signed_tls_client_auth';
}

function metadata({ name, method, mode, jwk, certificate, notificationEndpoint }) {
  const self = method === 'self_signed_tls_client_auth';
  const key = { ...publicPart(jwk), ...(self && { x5c: [certificates.x5c(certificate)] }) };
  return {
    client_id: name,
    client_name: `Conformance ${name}`,
    grant_types: [GRANT_TYPE, 'refresh_token'],
    response_types: [],
    scope: 'openid profile',
    token_endpoint_auth_method: method,
    ...(method === 'private_key_jwt' && { token_endpoint_auth_signing_alg: jwk.alg }),
    ...(method === 'tls_client_auth' && { tls_client_auth_subject_dn: `CN=${name}` }),
    tls_client_certificate_bound_access_tokens: true,
    id_token_signed_response_alg: 'PS256',
    backchannel_token_delivery_mode: mode,
    ...(mode === 'ping' && { backchannel_client_notification_endpoint: notificationEndpoint }),
    backchannel_authentication_request_signing_alg: jwk.alg,
    backchannel_user_code_parameter: false,
    jwks: { keys: [self ? withoutUse(key) : key] },
    // Ours: what another provider leaves to whoever runs it.
    fapi_profile: 'fapi_ciba_id1',
    binding_message_required: true,
  };
}

/** A key that signs requests *and* stands in a certificate is not restricted to one use. */
function withoutUse({ use: _use, ...key }) {
  return key;
}

async function fapiClient(authority, authentication, mode, number, notificationOrigin) {
  const name = clientName(authentication, mode, number);
  const method = authenticationMethod(authentication, mode);
  const subject = `CN=${name}`;
  const { certificate, key } =
    method === 'self_signed_tls_client_auth'
      ? await certificates.selfSigned(subject)
      : await certificates.client(authority, subject);
  // PS256 for the first client, because only an RSA key can be misused for RS256.
  const jwk = await signingKey(number === 1 ? 'PS256' : 'ES256', `${name}-key`);
  const notificationEndpoint = `${notificationOrigin}/${name}`;
  const registered = metadata({ name, method, mode, jwk, certificate, notificationEndpoint });
  return { clientId: name, method, mode, jwk, certificate, key, metadata: registered };
}

async function fapiClients(authority, notificationOrigin) {
  const clients = {};
  for (const authentication of AUTHENTICATIONS) {
    for (const mode of MODES) {
      for (const number of [1, 2]) {
        const client = await fapiClient(authority, authentication, mode, number, notificationOrigin);
        clients[client.clientId] = client;
      }
    }
  }
  return clients;
}

/** Makes all the files; gives what the run itself keeps of them. */
export async function prepare(folder, notificationOrigin, { authority }) {
  await mkdir(path.join(folder, 'clients'), { recursive: true });
  await mkdir(path.join(folder, 'secrets'), { recursive: true });
  const server = await certificates.server(authority);
  await writeFile(path.join(folder, 'ca.pem'), authority.pem);
  await writeFile(path.join(folder, 'server.pem'), server.certificate);
  await writeFile(path.join(folder, 'server-key.pem'), server.key, { mode: 0o600 });
  const clients = { ...(await fapiClients(authority, notificationOrigin)), ...(await plainClients(authority)) };
  for (const [name, { metadata: registered, clientId, ...secrets }] of Object.entries(clients)) {
    await writeFile(path.join(folder, 'clients', `${name}.json`), `${JSON.stringify(registered, null, 2)}\n`);
    await writeFile(path.join(folder, 'secrets', `${name}.json`), JSON.stringify({ client_id: clientId, ...secrets }), {
      mode: 0o600,
    });
  }
  return { ca: authority.pem, clients };
}
