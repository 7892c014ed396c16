// `oidc-provider` from npm, unmodified, as a FAPI-CIBA provider over TLS: the peer on which the programs
// in `suite/` and the clients are shown to work before they judge ours. Everything it knows stays in
// memory.
//
//   node oidc_provider_fapi.mjs FOLDER
//
// FOLDER is what `suite/main.mjs` prepares: the server's certificate and the clients. Prints
// `ready ISSUER` and what else the programs there want to know, and serves until standard input ends.
//
//   POST /conformance/decide?auth_req_id=…&action=allow|deny     the person's device

import { generateKeyPairSync, randomBytes, randomUUID, X509Certificate } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import path from 'node:path';

import { Agent, fetch as undiciFetch } from 'undici';

// Before the library is loaded: libraries read this once.
process.env.NODE_ENV = 'production';
const { Provider, errors } = await import('oidc-provider');

const [folder] = process.argv.slice(2);
const read = (name) => readFile(path.join(folder, name), 'utf8');
const ca = await read('ca.pem');
const authority = new X509Certificate(ca);
const ALGORITHMS = ['PS256', 'ES256', 'RS256', 'EdDSA', 'Ed25519'];
const PEOPLE = ['alice', 'bob'];
const INITIAL = randomUUID();
const ACR = 'urn:example:device';

const names = await readdir(path.join(folder, 'clients'));
const registered = await Promise.all(names.map(async (name) => JSON.parse(await read(path.join('clients', name)))));

/** What the library does not know by these names it is told otherwise, below. */
const OURS = ['fapi_profile', 'binding_message_required', 'access_token_format'];
const having = (member) => new Set(registered.filter((one) => one[member]).map((one) => one.client_id));
const outsideFapi = new Set(registered.filter((one) => !one.fapi_profile).map((one) => one.client_id));
const withJwtTokens = having('access_token_format');

function clients() {
  const known = (metadata) => Object.fromEntries(Object.entries(metadata).filter(([name]) => !OURS.includes(name)));
  return registered.map((metadata) => ({ redirect_uris: [], require_auth_time: true, ...known(metadata) }));
}

/** The one resource whose access tokens are JWTs (RFC 9068). */
const RESOURCE = 'https://resource.example/';

function signingKey(type, options, alg) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid: alg.toLowerCase() };
}

function certificateOf({ req }) {
  const certificate = req.socket.getPeerX509Certificate?.();
  return certificate?.toString();
}

/** One line, most specific name first or last: the subjects here have one name only. */
function subjectOf(context) {
  return new X509Certificate(certificateOf(context)).subject;
}

const trusted = new Agent({ connect: { ca } });

const configuration = {
  clients: clients(),
  clientAuthMethods: ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'],
  jwks: {
    keys: [
      signingKey('rsa', { modulusLength: 2048 }, 'PS256'),
      signingKey('rsa', { modulusLength: 2048 }, 'RS256'),
      signingKey('ec', { namedCurve: 'P-256' }, 'ES256'),
      signingKey('ed25519', {}, 'EdDSA'),
      signingKey('ed25519', {}, 'Ed25519'),
    ],
  },
  enabledJWA: {
    clientAuthSigningAlgValues: ALGORITHMS,
    dPoPSigningAlgValues: ALGORITHMS,
    idTokenSigningAlgValues: ALGORITHMS,
    idTokenEncryptionAlgValues: ['RSA-OAEP-256', 'ECDH-ES'],
    idTokenEncryptionEncValues: ['A128GCM', 'A256GCM'],
    requestObjectSigningAlgValues: ALGORITHMS,
  },
  acrValues: [ACR],
  scopes: ['openid', 'profile', 'offline_access'],
  claims: { openid: ['sub'], profile: ['name'], acr: null },
  cookies: { keys: [randomUUID()] },
  responseTypes: [],
  clientDefaults: { grant_types: ['urn:openid:params:grant-type:ciba'], response_types: [], require_auth_time: true },
  issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: false,
  findAccount: async (_context, sub) =>
    PEOPLE.includes(sub) ? { accountId: sub, claims: async () => ({ sub, name: sub }) } : undefined,
  // The library refuses private addresses; here every client is on this machine.
  fetch: (url, options) => undiciFetch(url, { ...options, headers: [...options.headers], dispatcher: trusted }),
  ttl: {
    AccessToken: 600,
    BackchannelAuthenticationRequest: (context) =>
      Math.min(600, Number(context?.oidc?.params?.requested_expiry ?? 120)),
    Grant: 600,
    IdToken: 600,
    RefreshToken: 3600,
  },
  features: {
    ciba: {
      enabled: true,
      deliveryModes: ['poll', 'ping'],
      processLoginHint: async (_context, hint) => hint,
      processLoginHintToken: async () => undefined,
      // FAPI-CIBA section 5.2.2-2, which the library leaves to whoever runs it, and what a device can show.
      validateBindingMessage: async ({ oidc }, message) => {
        if (message?.length > 100)
          throw new errors.InvalidBindingMessage('binding_message is longer than 100 characters');
        if (message === undefined && !outsideFapi.has(oidc.client.clientId))
          throw new errors.InvalidRequest('binding_message is required');
      },
      validateRequestContext: async () => {},
      verifyUserCode: async () => {},
      triggerAuthenticationDevice: async () => {},
    },
    devInteractions: { enabled: false },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
    encryption: { enabled: true },
    fapi: {
      enabled: true,
      profile: (_context, client) => (outsideFapi.has(client?.clientId) ? undefined : '1.0 Final'),
    },
    introspection: { enabled: true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      tlsClientAuth: true,
      getCertificate: certificateOf,
      certificateAuthorized: (context) => new X509Certificate(certificateOf(context)).verify(authority.publicKey),
      certificateSubjectMatches: (context, property, expected) =>
        property === 'tls_client_auth_subject_dn' && subjectOf(context) === expected,
    },
    registration: { enabled: true, initialAccessToken: INITIAL },
    registrationManagement: { enabled: true },
    requestObjects: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: async (_context, client, one) =>
        one ?? (withJwtTokens.has(client.clientId) ? RESOURCE : undefined),
      useGrantedResource: async () => true,
      getResourceServerInfo: async () => ({
        scope: 'openid profile',
        audience: RESOURCE,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 300,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: false },
    userinfo: { enabled: true },
  },
};

const server = createServer({
  cert: await read('server.pem'),
  key: await read('server-key.pem'),
  // No `ca`: its name would be sent as the only acceptable one, and some clients (Java's) then do not show a
  // certificate that they signed themselves.
  requestCert: true,
  rejectUnauthorized: false,
  minVersion: 'TLSv1.2',
  ciphers: [
    'TLS_AES_256_GCM_SHA384',
    'TLS_AES_128_GCM_SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES256-GCM-SHA384',
  ].join(':'),
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `https://localhost:${server.address().port}`;
const provider = new Provider(issuer, configuration);
const protocol = provider.callback();

async function decide(id, action) {
  const request = await provider.BackchannelAuthenticationRequest.find(id);
  if (!request) return 404;
  if (action !== 'allow') {
    await provider.backchannelResult(request, new errors.AccessDenied('the person said no'));
    return 204;
  }
  const grant = new provider.Grant({ accountId: request.accountId, clientId: request.clientId });
  grant.addOIDCScope(request.scope);
  if (request.resource) grant.addResourceScope(request.resource, request.scope);
  await grant.save();
  await provider.backchannelResult(request, grant, { acr: ACR, authTime: Math.floor(Date.now() / 1000) });
  return 204;
}

server.on('request', (request, response) => {
  const url = new URL(request.url, issuer);
  // The library leaves this to the resource (FAPI 1 Baseline section 6.2.1-11).
  response.setHeader('x-fapi-interaction-id', request.headers['x-fapi-interaction-id'] ?? randomUUID());
  if (url.pathname !== '/conformance/decide' || request.method !== 'POST') {
    protocol(request, response);
    return;
  }
  decide(url.searchParams.get('auth_req_id'), url.searchParams.get('action')).then(
    (status) => response.writeHead(status).end(),
    // The library reports a notification endpoint that does not answer 2xx here, in the decision.
    (error) => response.writeHead(error.message.startsWith('expected 204') ? 204 : 500).end(String(error)),
  );
});

process.stdin.resume().on('end', () => process.exit(0));
console.log(`ready ${issuer} ${JSON.stringify({ resource: `${issuer}/me`, initialAccessToken: INITIAL })}`);
