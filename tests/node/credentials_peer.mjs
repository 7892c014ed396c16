// The services that take the credentials which the host mints, with `jose` and nothing of ours.
//
//   node credentials_peer.mjs
//
// Says one line of JSON: keys as services hand them out, the file of a service account, and where its tokens are given.
// Gives a token to whoever shows an assertion that is right (RFC 7523 section 3). Reads one line of JSON, the headers that
// were minted: exits with 0 when a service would take each of them.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

import * as jose from 'jose';

const push = await jose.generateKeyPair('ES256', { extractable: true });
const account = await jose.generateKeyPair('RS256', { extractable: true });
const email = 'push@project.iam.example';

let given = 0;
const server = createServer(async (request, response) => {
  let body = '';
  for await (const part of request) body += part;
  const answer = (status, json) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
  try {
    assert.equal(request.method, 'POST');
    const form = new URLSearchParams(body);
    assert.equal(form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer');
    const { payload, protectedHeader } = await jose.jwtVerify(form.get('assertion'), account.publicKey, {
      algorithms: ['RS256'],
      issuer: email,
      audience: uri,
      maxTokenAge: '1h',
      requiredClaims: ['exp', 'iat', 'scope'],
    });
    assert.equal(protectedHeader.kid, 'account key');
    given += 1;
    answer(200, { access_token: `${payload.scope} ${given}`.replaceAll(' ', '/'), token_type: 'Bearer', expires_in: 3599 });
  } catch (error) {
    answer(400, { error: 'invalid_grant', error_description: String(error.message) });
  }
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;
const uri = `${origin}/token`;

const jwk = await jose.exportJWK(push.privateKey);
console.log(
  JSON.stringify({
    keys: [await jose.exportPKCS8(push.privateKey), JSON.stringify(jwk), jwk.d],
    origin,
    account: {
      type: 'service_account',
      private_key_id: 'account key',
      private_key: await jose.exportPKCS8(account.privateKey),
      client_email: email,
      token_uri: uri,
    },
  }),
);

for await (const line of createInterface({ input: process.stdin })) {
  const { apns, vapid, google } = JSON.parse(line);
  for (const header of apns) {
    const [scheme, token] = header.split(' ');
    assert.equal(scheme, 'bearer');
    const { protectedHeader } = await jose.jwtVerify(token, push.publicKey, { algorithms: ['ES256'], issuer: 'DEF123GHIJ', maxTokenAge: '1h' });
    assert.equal(protectedHeader.kid, 'ABC123DEFG');
  }
  for (const header of vapid) {
    // RFC 8292 section 3: two parameters.
    const [, token, k] = header.match(/^vapid t=([\w.-]+), k=([\w-]+)$/);
    const point = jose.base64url.decode(k);
    assert.deepEqual([point.length, point[0]], [65, 4]);
    const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => jose.base64url.encode(part));
    assert.deepEqual([x, y], [jwk.x, jwk.y]);
    const key = await jose.importJWK({ kty: 'EC', crv: 'P-256', x, y }, 'ES256');
    const { payload } = await jose.jwtVerify(token, key, { algorithms: ['ES256'], audience: 'https://push.example', subject: 'mailto:ops@example.com' });
    assert.ok(payload.exp <= Date.now() / 1000 + 24 * 60 * 60);
  }
  assert.deepEqual(google, ['Bearer a/b/1', 'Bearer a/b/1', 'Bearer c/2']);
  assert.equal(given, 2);
  console.log(JSON.stringify({ apns: apns.length, vapid: vapid.length, google: google.length }));
  server.close();
  break;
}
