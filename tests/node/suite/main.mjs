// Plays the part of the OpenID Foundation's conformance suite for each module of its FAPI-CIBA plan
// (`fapi-ciba-id1-test-plan`), and asks a few things more that the specifications say and the plan does
// not look at.
//
//   node suite/main.mjs --folder FOLDER [--start COMMAND] [--peer NAME] [--variant V] [--module M]
//
// First it writes the keys, certificates and clients of the run into FOLDER (`target.mjs` says which
// files). Then the provider is started: by COMMAND, a JSON array that is run with FOLDER appended and
// says `ready ISSUER`, or `ready ISSUER JSON`; without it by whoever runs this, who reads `prepared FOLDER` and answers with one
// line on standard input, `ISSUER` or a JSON object with `issuer` and, if they differ from the defaults in
// `provider.mjs`, `decide`, `resource`, `user`, `scope`, `acr`, `initialAccessToken`.
//
// One line for each case: `ok`, `differs` (listed for NAME in `differences.mjs`), `skipped` or `FAIL`.
// Ends with status 1 if one failed. --variant is `private_key_jwt/poll/static` or a part of it, --module
// a part of a module's name; both can be given several times. --list only names the cases.

import { randomUUID } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { Bench } from './bench.mjs';
import * as certificates from './certificates.mjs';
import { Client } from './client.mjs';
import { differences } from './differences.mjs';
import { cases as clientAuthentication } from './modules/client_authentication.mjs';
import { cases as discovery } from './modules/discovery.mjs';
import { cases as flow } from './modules/flow.mjs';
import { cases as ping } from './modules/ping.mjs';
import { cases as registration } from './modules/registration.mjs';
import { cases as requestObject } from './modules/request_object.mjs';
import { cases as resource } from './modules/resource.mjs';
import { cases as tls } from './modules/tls.mjs';
import { cases as tokenEndpoint } from './modules/token_endpoint.mjs';
import { Notifications } from './notifications.mjs';
import { discovered, started, told } from './provider.mjs';
import { registered } from './register.mjs';
import { Report } from './report.mjs';
import { AUTHENTICATIONS, MODES, clientName, prepare } from './target.mjs';

const CASES = [
  ...discovery,
  ...tls,
  ...flow,
  ...requestObject,
  ...tokenEndpoint,
  ...clientAuthentication,
  ...ping,
  ...resource,
  ...registration,
];

const { values: options } = parseArgs({
  options: {
    folder: { type: 'string' },
    start: { type: 'string' },
    peer: { type: 'string' },
    variant: { type: 'string', multiple: true, default: [] },
    module: { type: 'string', multiple: true, default: [] },
    together: { type: 'string', default: '8' },
    list: { type: 'boolean', default: false },
  },
});

if (options.list) {
  for (const { module } of CASES) console.log(module);
  process.exit();
}

/** Of a registered client only the plan's own modules and those about registration are asked. */
function applies(variant, { module, applies: when = () => true }) {
  const asked = options.module.length === 0 || options.module.some((part) => module.includes(part));
  const planned = variant.registration === 'static' || module.startsWith('fapi-ciba-id1') || module.includes('regist');
  return asked && planned && when(variant);
}

class Variant {
  constructor(authentication, mode, registration) {
    Object.assign(this, { authentication, mode, registration });
  }

  toString() {
    return `${this.authentication}/${this.mode}/${this.registration}`;
  }
}

function variants({ metadata }) {
  const kinds = metadata.registration_endpoint ? ['static', 'dynamic'] : ['static'];
  const all = kinds.flatMap((kind) =>
    AUTHENTICATIONS.flatMap((way) => MODES.map((mode) => new Variant(way, mode, kind))),
  );
  return all.filter((one) => options.variant.length === 0 || options.variant.some((part) => `${one}`.includes(part)));
}

async function benches(target, variant, { clients }, notifications) {
  const entry = async (number) =>
    variant.registration === 'static'
      ? clients[clientName(variant.authentication, variant.mode, number)]
      : registered(target, variant, notifications.origin);
  const [one, two] = await Promise.all([entry(1), entry(2)]);
  return new Bench({ target, variant, notifications, one: new Client(target, one), two: new Client(target, two) });
}

/** A case may say what the target lacks that it needs. */
async function runCase(bench, one, report) {
  const lacking = one.lacks?.(bench);
  if (lacking) return report.skipped(bench.variant, one, lacking);
  try {
    await one.run(bench);
    report.passed(bench.variant, one);
  } catch (error) {
    report.failed(bench.variant, one, error);
  }
}

/** So many cases side by side, because most of each is waiting. */
async function runAll(bench, selected, report, together) {
  const waiting = [...selected];
  const worker = async () => {
    for (let one = waiting.shift(); one; one = waiting.shift()) await runCase(bench, one, report);
  };
  await Promise.all(Array.from({ length: together }, worker));
}

const folder = path.resolve(
  options.folder ?? (await mkdtemp(path.join(tmpdir(), `suite-${randomUUID().slice(0, 8)}-`))),
);
const authority = await certificates.authority();
const endpointTls = await certificates.server(authority);
const notifications = await Notifications.listen(endpointTls);
const prepared = await prepare(folder, notifications.origin, { authority });
console.log(`prepared ${folder}`);
const { said, stop } = options.start ? await started(options.start, folder) : await told();

const report = new Report(differences[options.peer] ?? []);
try {
  const target = await discovered(said, prepared);
  for (const variant of variants(target)) {
    const selected = CASES.filter((one) => applies(variant, one));
    if (selected.length === 0) continue;
    await runAll(await benches(target, variant, prepared, notifications), selected, report, Number(options.together));
  }
} finally {
  notifications.close();
  stop();
}
const partly = options.variant.length > 0 || options.module.length > 0;
process.exitCode = report.close({ partly }) ? 0 : 1;
// A server's open connections, or standard input, must not keep this program.
setTimeout(() => process.exit(), 500).unref();
