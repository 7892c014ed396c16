// One HTTPS request at a time on a connection of its own, so that each carries exactly the client
// certificate that was chosen for it, or none.

import https from 'node:https';

export const GRANT_TYPE = 'urn:openid:params:grant-type:ciba';

/** An answer as it was on the wire; `json` is undefined when the body is none. */
export class Answer {
  constructor(status, headers, body) {
    this.status = status;
    this.headers = headers;
    this.body = body;
    try {
      this.json = JSON.parse(body);
    } catch {
      this.json = undefined;
    }
  }

  get error() {
    return this.json?.error;
  }

  toString() {
    const said = this.json ? JSON.stringify(this.json) : this.body.slice(0, 200);
    return `${this.status} ${said}`;
  }
}

/** Sends one request. `tls` has the members `ca`, `cert`, `key` of Node's TLS. */
export function send(url, { method = 'GET', headers = {}, body, tls = {} } = {}) {
  return new Promise((settle, fail) => {
    const request = https.request(url, { method, headers, agent: false, timeout: 60_000, ...tls }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', fail);
      response.on('end', () => {
        settle(new Answer(response.statusCode, response.headers, Buffer.concat(parts).toString('utf8')));
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer in 60 s: ${method} ${url}`)));
    request.on('error', fail);
    request.end(body);
  });
}

/** A value that is an array is sent as often as it has elements. */
function form(parameters) {
  const pairs = Object.entries(parameters).flatMap(([name, value]) => [value].flat().map((one) => [name, String(one)]));
  return new URLSearchParams(pairs).toString();
}

export function postForm(url, parameters, { headers = {}, tls } = {}) {
  return send(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json', ...headers },
    body: form(parameters),
    tls,
  });
}

export function postJson(url, value, { headers = {}, tls, method = 'POST' } = {}) {
  return send(url, {
    method,
    headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
    body: JSON.stringify(value),
    tls,
  });
}
