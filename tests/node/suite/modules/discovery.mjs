// The module of the discovery document: OpenID Connect Discovery, CIBA Core section 4, FAPI 1 Advanced
// sections 5.2.2 and 8.6, RFC 8705 section 3.3.

import { expect } from '../expect.mjs';
import { GRANT_TYPE, send } from '../wire.mjs';

const FAPI_ALGORITHMS = ['PS256', 'ES256'];
const ENDPOINTS = ['authorization_endpoint', 'token_endpoint', 'jwks_uri', 'backchannel_authentication_endpoint'];
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'];

function has(metadata, name, wanted) {
  const values = metadata[name];
  expect(Array.isArray(values), `${name}: an array`, JSON.stringify(values));
  expect(
    wanted.some((value) => values.includes(value)),
    `${name} with ${wanted.join(' or ')}`,
    JSON.stringify(values),
  );
}

export const cases = [
  {
    module: 'fapi-ciba-id1-discovery-end-point-verification',
    section: 'CIBA 4, OpenID Connect Discovery 4, FAPI 1 Advanced 8.6',
    run({ target, variant }) {
      const { metadata } = target;
      expect(metadata.issuer === target.issuer, `issuer ${target.issuer}`, metadata.issuer);
      for (const name of ENDPOINTS) {
        expect(new URL(metadata[name] ?? 'none:').protocol === 'https:', `${name}: an https URL`, metadata[name]);
      }
      expect(
        metadata.tls_client_certificate_bound_access_tokens === true,
        'tls_client_certificate_bound_access_tokens true',
        metadata.tls_client_certificate_bound_access_tokens,
      );
      has(metadata, 'grant_types_supported', [GRANT_TYPE]);
      has(metadata, 'backchannel_token_delivery_modes_supported', [variant.mode]);
      has(metadata, 'id_token_signing_alg_values_supported', FAPI_ALGORITHMS);
      has(metadata, 'backchannel_authentication_request_signing_alg_values_supported', FAPI_ALGORITHMS);
      has(
        metadata,
        'token_endpoint_auth_methods_supported',
        variant.authentication === 'mtls' ? ['tls_client_auth', 'self_signed_tls_client_auth'] : ['private_key_jwt'],
      );
      has(metadata, 'token_endpoint_auth_signing_alg_values_supported', FAPI_ALGORITHMS);
      if (metadata.userinfo_signing_alg_values_supported)
        has(metadata, 'userinfo_signing_alg_values_supported', FAPI_ALGORITHMS);
      const { backchannel_user_code_parameter_supported: code } = metadata;
      expect(
        code === undefined || typeof code === 'boolean',
        'backchannel_user_code_parameter_supported: a boolean',
        code,
      );
      for (const scope of metadata.scopes_supported ?? [])
        expect(/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope), 'a scope token', scope);
    },
  },
  {
    module: 'discovery-is-served-as-json',
    section: 'OpenID Connect Discovery 4.2',
    async run({ target }) {
      const answer = await send(`${target.issuer}/.well-known/openid-configuration`, { tls: { ca: target.ca } });
      expect(answer.status === 200, '200', answer.status);
      expect(
        /^application\/json\b/i.test(answer.headers['content-type'] ?? ''),
        'application/json',
        answer.headers['content-type'],
      );
    },
  },
  {
    module: 'server-keys-are-public-named-and-long',
    section: 'OpenID Connect Core 10.1, FAPI 1 Baseline 5.2.2-5',
    async run({ target }) {
      const { json } = await send(target.metadata.jwks_uri, { tls: { ca: target.ca } });
      expect(json?.keys?.length > 0, 'keys', JSON.stringify(json));
      const kids = json.keys.map(({ kid, kty, use }) => `${kid} ${kty} ${use}`);
      expect(new Set(kids).size === kids.length, 'a kid for each key', kids);
      for (const key of json.keys) {
        expect(typeof key.kid === 'string' && key.kid !== '', 'a kid', JSON.stringify(key));
        expect(!PRIVATE.some((member) => member in key), 'no private member', Object.keys(key));
        if (key.kty === 'RSA')
          expect(Buffer.from(key.n, 'base64url').length >= 256, 'an RSA key of 2048 bits', key.n.length);
      }
    },
  },
];
