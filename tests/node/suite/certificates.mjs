// A certificate authority for one run: the target's server certificate, the certificates of the
// clients and that of the notification endpoint. Nothing of it outlives the folder it is written to.

import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(globalThis.crypto);

const HOUR = 3_600_000;
const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: 'SHA-256',
};
const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

const pem = async (key) =>
  `-----BEGIN PRIVATE KEY-----\n${Buffer.from(await crypto.subtle.exportKey('pkcs8', key))
    .toString('base64')
    .replace(/(.{64})/g, '$1\n')
    .trimEnd()}\n-----END PRIVATE KEY-----\n`;

/** An hour back, because the clocks of a test may differ; a month, because a host warns of less. */
const validity = () => ({
  notBefore: new Date(Date.now() - HOUR),
  notAfter: new Date(Date.now() + 30 * 24 * HOUR),
  serialNumber: Buffer.from(crypto.getRandomValues(new Uint8Array(16)))
    .toString('hex')
    .replace(/^./, '1'),
});

export async function authority(name = 'CN=Test authority') {
  const keys = await crypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    keys,
    signingAlgorithm: ECDSA,
    ...validity(),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  return { keys, certificate, pem: `${certificate.toString('pem')}\n` };
}

const usage = (purpose) => [
  new x509.BasicConstraintsExtension(false, undefined, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
  new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[purpose]]),
];

async function written(certificate, keys) {
  return { certificate: `${certificate.toString('pem')}\n`, key: await pem(keys.privateKey) };
}

/**
 * For a server on this machine: `localhost`, `127.0.0.1` and `::1`. With an RSA key, because with
 * another one no cipher suite of TLS 1.2 is left that FAPI 1 Advanced section 8.5 names.
 */
export async function server(issuer) {
  const keys = await crypto.subtle.generateKey(RSA, true, ['sign', 'verify']);
  const names = [
    { type: 'dns', value: 'localhost' },
    { type: 'ip', value: '127.0.0.1' },
    { type: 'ip', value: '::1' },
  ];
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=localhost',
    issuer: issuer.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: ECDSA,
    ...validity(),
    extensions: [...usage('serverAuth'), new x509.SubjectAlternativeNameExtension(names)],
  });
  return written(certificate, keys);
}

/** A client's certificate, signed by the authority. */
export async function client(issuer, subject) {
  const keys = await crypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer: issuer.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: ECDSA,
    ...validity(),
    extensions: usage('clientAuth'),
  });
  return written(certificate, keys);
}

/** A client's certificate that nobody but its owner has signed (RFC 8705 section 2.2). */
export async function selfSigned(subject) {
  const keys = await crypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: subject,
    keys,
    signingAlgorithm: ECDSA,
    ...validity(),
    extensions: usage('clientAuth'),
  });
  return written(certificate, keys);
}

/** What an element of `x5c` holds: base64, not base64url (RFC 7517 section 4.7). */
export function x5c(certificatePem) {
  return new x509.X509Certificate(certificatePem).toString('base64');
}

/**
 * As the suite makes them for clients that it registers: self-signed with the client's own signing key,
 * and marked as an authority though it is none (RFC 8705 section 2.2 asks for no more than the key).
 */
export async function fromSigningKey(jwk, subject) {
  const importable = { ...jwk, alg: 'RS256', key_ops: undefined, use: undefined };
  const privateKey = await crypto.subtle.importKey('jwk', importable, RSA, true, ['sign']);
  const { kty, n, e } = jwk;
  const publicKey = await crypto.subtle.importKey('jwk', { kty, n, e, alg: 'RS256' }, RSA, true, ['verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: subject,
    keys: { privateKey, publicKey },
    signingAlgorithm: RSA,
    ...validity(),
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  return written(certificate, { privateKey });
}
