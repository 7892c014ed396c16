// What an answer must be. Each check throws `Unexpected` with what was expected and what was seen.

import { decodeProtectedHeader } from 'jose';

export class Unexpected extends Error {}

export function expect(condition, expected, seen) {
  if (!condition) throw new Unexpected(`expected ${expected}; seen ${seen}`);
}

const DESCRIPTION = /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/;

/**
 * An OAuth error (RFC 6749 section 5.2, CIBA Core sections 11 and 13): JSON, one of `errors`, the
 * status that belongs to it, and nothing that is not allowed in its members.
 */
export function refused(answer, errors, { statuses = statusesOf(answer.error) } = {}) {
  expect(answer.json !== undefined, `a JSON body with ${errors.join(' or ')}`, answer);
  expect(errors.includes(answer.error), errors.join(' or '), answer);
  expect(statuses.includes(answer.status), `status ${statuses.join(' or ')} for ${answer.error}`, answer);
  checkContentType(answer);
  const { error_description: description, error_uri: uri } = answer.json;
  if (description !== undefined) {
    expect(
      DESCRIPTION.test(description),
      'error_description without characters that RFC 6749 section 5.2 excludes',
      answer,
    );
  }
  if (uri !== undefined) expect(URL.canParse(uri), 'error_uri is a URI', answer);
  const members = Object.keys(answer.json).filter((name) => !name.startsWith('error'));
  expect(members.length === 0, 'no member but error, error_description, error_uri', answer);
}

function statusesOf(error) {
  switch (error) {
    case 'invalid_client':
      return [401, 400];
    case 'access_denied':
      return [400, 403];
    default:
      return [400];
  }
}

function checkContentType(answer) {
  const type = answer.headers['content-type'] ?? 'none';
  expect(/^application\/json\b/i.test(type), 'content-type application/json', type);
}

function checkNoStore(answer) {
  const said = answer.headers['cache-control'] ?? 'none';
  expect(/\bno-store\b/i.test(said), 'cache-control: no-store', said);
}

/** Shannon entropy over the characters, times the length: how the suite measures. */
export function entropy(text) {
  const counts = new Map();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits * text.length;
}

/** CIBA Core section 7.3. The suite fails below 96 bits as it measures and warns below 160. */
export function acknowledged(answer) {
  expect(answer.status === 200, 'status 200', answer);
  checkContentType(answer);
  checkNoStore(answer);
  const { auth_req_id: id, expires_in: life, interval } = answer.json ?? {};
  expect(/^[A-Za-z0-9._-]+$/.test(id ?? ''), 'auth_req_id of [A-Za-z0-9._-]', answer);
  expect(entropy(id) > 160, 'an auth_req_id with more than 160 bits as measured', Math.round(entropy(id)));
  expect(Number.isInteger(life) && life > 0, 'expires_in: a positive number', answer);
  if (interval !== undefined) {
    expect(Number.isInteger(interval) && interval > 0, 'interval: a positive number', answer);
  }
  return answer.json;
}

export function pending(answer) {
  refused(answer, ['authorization_pending', 'slow_down']);
}

/** CIBA Core section 10.1.1 and RFC 6749 section 5.1, without the ID token. */
export function tokens(answer) {
  expect(answer.status === 200, 'status 200', answer);
  checkContentType(answer);
  checkNoStore(answer);
  const { access_token: access, token_type: type, expires_in: life, refresh_token: refresh } = answer.json ?? {};
  expect(/^[\x20-\x7e]+$/.test(access ?? ''), 'access_token', Object.keys(answer.json ?? {}));
  expect(access.length >= 16 && entropy(access) > 96, 'an access token of 128 bits', access.length);
  expect(/^bearer$/i.test(type ?? ''), 'token_type Bearer', type);
  if (life !== undefined) expect(Number.isInteger(life) && life > 0, 'expires_in: a positive number', life);
  if (refresh !== undefined) expect(entropy(refresh) > 96, 'a refresh token of 128 bits', refresh.length);
  return answer.json;
}

/** What FAPI and OpenID Connect Core ask of the header: PS256 or ES256, and a `kid`. */
export function idTokenHeader(idToken) {
  const { alg, kid } = decodeProtectedHeader(idToken);
  expect(['PS256', 'ES256'].includes(alg), 'alg PS256 or ES256', alg);
  expect(typeof kid === 'string' && kid !== '', 'a kid', kid);
  return alg;
}
