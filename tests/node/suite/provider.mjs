// The provider that is tested: how it is started, or told to us, and what it says about itself.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import * as jose from 'jose';

import * as certificates from './certificates.mjs';
import { signingKey } from './signing.mjs';
import { send } from './wire.mjs';

/** The provider that COMMAND starts ends with its standard input, so it cannot outlive this program. */
export async function started(command, folder) {
  const [program, ...words] = JSON.parse(command);
  const child = spawn(program, [...words, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const [, issuer, more = '{}'] = line.match(/^ready (\S+) ?(\{.*\})?/) ?? [];
    if (issuer) return { said: { issuer, ...JSON.parse(more) }, stop: () => child.stdin.end() };
  }
  throw new Error(`${program} ended without saying that it is ready`);
}

export async function told() {
  for await (const line of createInterface({ input: process.stdin })) {
    return { said: line.startsWith('{') ? JSON.parse(line) : { issuer: line.trim() }, stop: () => {} };
  }
  throw new Error('standard input ended before an issuer was given');
}

/** The published keys, asked for again when a token names one that was not there yet. */
function publishedKeys(url, tls) {
  let known = jose.createLocalJWKSet({ keys: [] });
  return (header, token) =>
    known(header, token).catch(async (error) => {
      if (!(error instanceof jose.errors.JWKSNoMatchingKey)) throw error;
      known = jose.createLocalJWKSet((await send(url, { tls })).json);
      return known(header, token);
    });
}

export async function discovered(said, prepared) {
  const { issuer } = said;
  const answer = await send(`${issuer}/.well-known/openid-configuration`, { tls: { ca: prepared.ca } });
  if (!answer.json) throw new Error(`no discovery document at ${issuer}: ${answer}`);
  const metadata = answer.json;
  return {
    decide: `${issuer}/conformance/decide?auth_req_id={auth_req_id}&action={action}`,
    resource: `${issuer}/resource`,
    user: 'alice',
    scope: 'openid profile',
    acr: metadata.acr_values_supported?.[0],
    ...said,
    ca: prepared.ca,
    metadata,
    keys: publishedKeys(metadata.jwks_uri, { ca: prepared.ca }),
    strangerKey: await signingKey('PS256', 'stranger'),
    stranger: await certificates.selfSigned('CN=stranger'),
  };
}
