// The provider that ciba-host is measured against: `oidc-provider` from npm, unmodified, configured
// for CIBA poll mode and nothing that would slow it down. Everything it knows stays in memory.
//
//   node oidc_provider.mjs [--lifetime SECONDS] [--until-stdin-ends]
//
// Prints `ready http://127.0.0.1:PORT pid PID` and serves until it is told to stop, until its lifetime
// (default 900 s) is over, or, if asked, until whoever started it closes its standard input.
//
//   POST /decide     form: auth_req_id or transaction, decision=approve|deny: the person's device
//   GET  /requests   what is undecided, in the shape of `ciba-host request list --json`

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';

// Before the library is loaded: libraries read this once.
process.env.NODE_ENV = 'production';
const { Provider, errors } = await import('oidc-provider');

const { values: options } = parseArgs({
  options: {
    lifetime: { type: 'string', default: '900' },
    'until-stdin-ends': { type: 'boolean', default: false },
  },
});

/** auth_req_id → what a device would show: the analogue of the card in ciba-host's inbox. */
const undecided = new Map();
let transactions = 0;

function client(id, authenticationMethod) {
  return {
    client_id: id,
    client_secret: 'demo-secret',
    token_endpoint_auth_method: authenticationMethod,
    grant_types: ['urn:openid:params:grant-type:ciba'],
    response_types: [],
    redirect_uris: [],
    backchannel_token_delivery_mode: 'poll',
    id_token_signed_response_alg: 'ES256',
    require_auth_time: true,
  };
}

function signingKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'es256' };
}

const configuration = {
  clients: [client('demo', 'client_secret_basic'), client('demo-post', 'client_secret_post')],
  clientAuthMethods: ['client_secret_basic', 'client_secret_post'],
  jwks: { keys: [signingKey()] },
  enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
  cookies: { keys: [randomUUID()] },
  responseTypes: [],
  // Access tokens are opaque and there are no refresh tokens: the same answer as ciba-host gives.
  issueRefreshToken: async () => false,
  findAccount: async (_context, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
  ttl: {
    AccessToken: 600,
    BackchannelAuthenticationRequest: (context) =>
      Math.min(600, Number(context?.oidc?.params?.requested_expiry ?? 120)),
    Grant: 600,
    IdToken: 600,
  },
  features: {
    ciba: {
      enabled: true,
      deliveryModes: ['poll'],
      processLoginHint: async (_context, hint) => hint,
      processLoginHintToken: async () => undefined,
      validateBindingMessage: async () => {},
      validateRequestContext: async () => {},
      verifyUserCode: async () => {},
      // Reaching the device costs it nothing here; ciba-host runs a plugin at this point.
      triggerAuthenticationDevice: async (_context, request, account, requester) => {
        undecided.set(request.jti, {
          transaction: String((transactions += 1)),
          user: account.accountId,
          client: requester.clientId,
          state: 'pending',
          expires_at: Math.floor(Date.now() / 1000) + request.expiration,
        });
      },
    },
    devInteractions: { enabled: false },
    rpInitiatedLogout: { enabled: false },
    userinfo: { enabled: false },
  },
};

const server = createServer();
server.keepAliveTimeout = 60_000;
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, configuration);
const protocol = provider.callback();

function authReqIdOf(transaction) {
  return [...undecided].find(([, shown]) => shown.transaction === transaction)?.[0];
}

async function decide(form) {
  const id = form.get('auth_req_id') ?? authReqIdOf(form.get('transaction'));
  const request = await provider.BackchannelAuthenticationRequest.find(id);
  if (!request || !undecided.delete(id)) return 404;
  if (form.get('decision') !== 'approve') {
    await provider.backchannelResult(request, new errors.AccessDenied('the person said no'));
    return 204;
  }
  const grant = new provider.Grant({ accountId: request.accountId, clientId: request.clientId });
  grant.addOIDCScope(request.scope);
  await grant.save();
  await provider.backchannelResult(request, grant, { authTime: Math.floor(Date.now() / 1000) });
  return 204;
}

async function formOf(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return new URLSearchParams(text);
}

server.on('request', (request, response) => {
  if (request.url === '/decide' && request.method === 'POST') {
    formOf(request).then(decide).then(
      (status) => response.writeHead(status).end(),
      (error) => response.writeHead(500).end(String(error)),
    );
  } else if (request.url === '/requests') {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify([...undecided.values()]));
  } else {
    protocol(request, response);
  }
});

if (options['until-stdin-ends']) {
  process.stdin.resume().on('end', () => process.exit(0));
}
setTimeout(() => process.exit(0), Number(options.lifetime) * 1000).unref();
process.on('SIGTERM', () => process.exit(0));
console.log(`ready ${issuer} pid ${process.pid}`);
