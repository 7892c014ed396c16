// TLS of every endpoint that the plan looks at: FAPI 1 Advanced section 8.5, RFC 9325. A probe offers
// one version, or one cipher suite, and sees whether the provider takes it.

import { isIP } from 'node:net';
import tls from 'node:tls';

import { expect } from '../expect.mjs';

/** FAPI 1 Advanced section 8.5 names these and no others: with RSA. */
const ALLOWED = [
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'DHE-RSA-AES128-GCM-SHA256',
  'DHE-RSA-AES256-GCM-SHA384',
];

/** Every suite of TLS 1.2 that this Node can offer and FAPI does not allow. */
const FORBIDDEN = tls
  .getCiphers()
  .map((name) => name.toUpperCase())
  .filter((name) => !name.startsWith('TLS_') && !ALLOWED.includes(name));

/** The version and suite that were agreed on, or undefined when the provider refused. */
function probe(url, target, { versions: [minVersion, maxVersion], ciphers }) {
  const { hostname: host, port } = new URL(url);
  // Old versions and suites are not even offered at OpenSSL's own level.
  const offered = `${ciphers ?? 'ALL'}:@SECLEVEL=0`;
  return new Promise((settle) => {
    const servername = isIP(host) ? undefined : host;
    const options = { host, port: port || 443, servername, ca: target.ca, minVersion, maxVersion, ciphers: offered };
    const socket = tls.connect(options, () => {
      const agreed = { version: socket.getProtocol(), cipher: socket.getCipher().name };
      socket.destroy();
      settle(agreed);
    });
    socket.on('error', () => settle(undefined));
  });
}

const only = (version) => ({ versions: [version, version] });

async function checkEndpoint(name, url, target, { suites }) {
  const modern = await probe(url, target, { versions: ['TLSv1.2', 'TLSv1.3'] });
  expect(modern?.version === 'TLSv1.3', `${name}: TLS 1.3 preferred`, JSON.stringify(modern));
  const allowed = await probe(url, target, { ...only('TLSv1.2'), ciphers: ALLOWED.join(':') });
  expect(allowed, `${name}: TLS 1.2 with a suite that FAPI allows`, 'refused');
  for (const old of ['TLSv1', 'TLSv1.1']) {
    const agreed = await probe(url, target, only(old));
    expect(!agreed, `${name}: ${old} refused`, JSON.stringify(agreed));
  }
  if (!suites) return;
  const weak = await probe(url, target, { ...only('TLSv1.2'), ciphers: FORBIDDEN.join(':') });
  expect(!weak, `${name}: no suite of TLS 1.2 but those of FAPI`, JSON.stringify(weak));
}

/** The suite lets the authorization endpoint have more cipher suites than the others. */
const ANY_SUITE = ['authorization_endpoint'];

export const cases = [
  {
    module: 'tls-of-every-endpoint',
    section: 'FAPI 1 Advanced 8.5',
    async run({ target }) {
      const { metadata } = target;
      const names = [
        'authorization_endpoint',
        'token_endpoint',
        'backchannel_authentication_endpoint',
        'userinfo_endpoint',
        'registration_endpoint',
      ];
      const urls = new Map([['resource', target.resource]]);
      for (const name of names) {
        for (const url of [metadata[name], metadata.mtls_endpoint_aliases?.[name]]) {
          if (url) urls.set(`${name} ${url}`, url);
        }
      }
      // One probe for each origin is enough, unless it may have more suites.
      for (const [name, url] of urls) {
        await checkEndpoint(name, url, target, { suites: !ANY_SUITE.includes(name.split(' ')[0]) });
      }
    },
  },
];
