// The clients' notification endpoint (CIBA Core section 10.2): an HTTPS server that records every
// call and answers as the case wants. Each client has a path of its own, so that cases do not
// disturb each other; calls are told apart by the `auth_req_id` they carry.

import https from 'node:https';

const SWITCHED = /^\/redirected$/;

export class Notifications {
  #server;
  #calls = [];
  #answers = new Map();
  #waiting = new Set();

  static async listen({ certificate, key }) {
    const endpoint = new Notifications();
    endpoint.#server = https.createServer({ cert: certificate, key }, (request, response) => {
      let body = '';
      request.on('data', (part) => (body += part));
      request.on('end', () => endpoint.#called(request, body, response));
    });
    await new Promise((listening) => endpoint.#server.listen(0, '127.0.0.1', listening));
    endpoint.origin = `https://localhost:${endpoint.#server.address().port}`;
    return endpoint;
  }

  /** How calls with this bearer token are answered; 204 without a body unless said otherwise. */
  answer(token, status, { body = '', headers = {} } = {}) {
    this.#answers.set(`Bearer ${token}`, { status, body, headers });
  }

  #called(request, body, response) {
    let json;
    try {
      json = JSON.parse(body);
    } catch {
      json = undefined;
    }
    const { url: path, method, headers, socket } = request;
    this.#calls.push({ path, method, headers, body, json, protocol: socket.getProtocol(), cipher: socket.getCipher() });
    const { status, body: said, headers: more } = this.#answers.get(headers.authorization) ?? { status: 204, body: '' };
    response.writeHead(status, more).end(said);
    for (const look of [...this.#waiting]) look();
  }

  /** Every call so far that carried this bearer token. */
  withToken(token) {
    return this.#calls.filter((call) => call.headers.authorization === `Bearer ${token}`);
  }

  /** Every call that followed a redirect we sent, whatever it carried. */
  redirected() {
    return this.#calls.filter((call) => SWITCHED.test(call.path));
  }

  /** The first call with this token, or undefined if none came in time. */
  async first(token, milliseconds) {
    const found = () => this.withToken(token)[0];
    if (found()) return found();
    let look;
    let timer;
    await new Promise((seen) => {
      look = () => found() && seen();
      timer = setTimeout(seen, milliseconds);
      this.#waiting.add(look);
    });
    clearTimeout(timer);
    this.#waiting.delete(look);
    return found();
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
