// Clients outside of FAPI, for the programs that play an ordinary client: `openid_client_full.mjs` and
// those in `../python`. One for each way of signing, binding and encrypting.

import * as certificates from './certificates.mjs';
import { encryptionKey, publicPart, signingKey } from './signing.mjs';
import { GRANT_TYPE } from './wire.mjs';

const BASE = {
  grant_types: [GRANT_TYPE, 'refresh_token'],
  response_types: [],
  scope: 'openid profile',
  backchannel_token_delivery_mode: 'poll',
  backchannel_user_code_parameter: false,
};

/** By name: the algorithm of the client's key, and what else is registered. */
const PLAIN = {
  'plain-es256': { alg: 'ES256' },
  'plain-ps256': { alg: 'PS256' },
  'plain-rs256': { alg: 'RS256' },
  'plain-eddsa': { alg: 'EdDSA' },
  'plain-ed25519': { alg: 'Ed25519' },
  'signed-es256': { alg: 'ES256', backchannel_authentication_request_signing_alg: 'ES256' },
  'signed-ps256': { alg: 'PS256', backchannel_authentication_request_signing_alg: 'PS256' },
  'signed-rs256': { alg: 'RS256', backchannel_authentication_request_signing_alg: 'RS256' },
  'signed-eddsa': { alg: 'EdDSA', backchannel_authentication_request_signing_alg: 'EdDSA' },
  'signed-ed25519': { alg: 'Ed25519', backchannel_authentication_request_signing_alg: 'Ed25519' },
  'plain-dpop': { alg: 'ES256', dpop_bound_access_tokens: true },
  'plain-mtls': {
    alg: 'ES256',
    token_endpoint_auth_method: 'tls_client_auth',
    tls_client_certificate_bound_access_tokens: true,
  },
  'plain-jwt-token': { alg: 'ES256', access_token_format: 'jwt' },
  'plain-encrypted-rsa': {
    alg: 'ES256',
    id_token_encrypted_response_alg: 'RSA-OAEP-256',
    id_token_encrypted_response_enc: 'A256GCM',
  },
  'plain-encrypted-ec': {
    alg: 'PS256',
    id_token_encrypted_response_alg: 'ECDH-ES',
    id_token_encrypted_response_enc: 'A128GCM',
  },
};

async function plainClient(authority, name, { alg, ...registered }) {
  const jwk = await signingKey(alg, `${name}-key`);
  const encryption = registered.id_token_encrypted_response_alg;
  const decryption = encryption && (await encryptionKey(encryption, `${name}-enc`));
  const method = registered.token_endpoint_auth_method ?? 'private_key_jwt';
  const keys = [jwk, decryption].filter(Boolean).map(publicPart);
  const { certificate, key } = await certificates.client(authority, `CN=${name}`);
  const metadata = {
    ...BASE,
    client_id: name,
    client_name: `Client ${name}`,
    token_endpoint_auth_method: method,
    ...(method === 'private_key_jwt'
      ? { token_endpoint_auth_signing_alg: alg }
      : { tls_client_auth_subject_dn: `CN=${name}` }),
    id_token_signed_response_alg: alg,
    jwks: { keys },
    ...registered,
  };
  return { clientId: name, method, mode: 'poll', jwk, decryption, certificate, key, metadata };
}

export async function plainClients(authority) {
  const made = Object.entries(PLAIN).map(([name, how]) => plainClient(authority, name, how));
  return Object.fromEntries((await Promise.all(made)).map((client) => [client.clientId, client]));
}
