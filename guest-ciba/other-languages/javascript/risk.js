// Asks a risk service about each request, and refuses it or wants stronger proof.

import { write } from "ciba:interception/log@1.0.0";
import { hmacSha256 } from "ciba:interception/secrets@1.0.0";
import { all } from "ciba:interception/settings@1.0.0";

const SCHEMA = {
  type: "object",
  required: ["url", "key", "step_up_from", "acr", "refuse_from"],
  properties: {
    url: { type: "string" },
    key: { type: "string", writeOnly: true },
    step_up_from: { type: "number" },
    acr: { type: "string" },
    refuse_from: { type: "number" },
  },
  additionalProperties: false,
};

export const plugin = {
  describe: () => ({
    name: "risk-javascript",
    version: "1.0.0",
    summary: "Asks a risk service about each request, and refuses it or wants stronger proof.",
    channels: [],
    needs: [{ tag: "http", val: "*" }],
    settingsSchema: JSON.stringify(SCHEMA),
  }),

  validateSettings(settings) {
    const { url } = JSON.parse(settings);
    if (!url.startsWith("https://") && !url.startsWith("http://127.0.0.1")) {
      throw [{ setting: "/url", message: "must begin with https://: what is sent names a person" }];
    }
  },
};

export const reviewRequest = {
  async review(tx) {
    const given = JSON.parse(all());
    const body = JSON.stringify({
      id: crypto.randomUUID(),
      client: tx.clientId(),
      user: tx.userId(),
      context: JSON.parse(tx.requestContext() ?? "null"),
    });
    const answer = await post(given.url, body);
    if (answer.status !== 200) throw { tag: "temporary", val: `the risk service answered ${answer.status}` };
    const { score } = await answer.json();
    // Whatever is wrong with the answer is an exception, and with an exception nobody is asked.
    if (!Number.isFinite(score)) throw new Error(`no score: ${score}`);
    write("info", `${tx.id()}: ${score}`);
    if (score >= given.refuse_from) return { tag: "refuse", val: `its risk is ${score}` };
    return { tag: "ask", val: score >= given.step_up_from ? [{ tag: "require-acr", val: given.acr }] : [] };
  },
};

/** Sends JSON with its signature. */
async function post(url, body) {
  const signature = hmacSha256("/key", new TextEncoder().encode(body));
  const headers = { "content-type": "application/json", "x-signature": `sha256=${hexadecimal(signature)}` };
  try {
    return await fetch(url, { method: "POST", headers, body });
  } catch (error) {
    throw { tag: "temporary", val: `the risk service cannot be reached: ${error.message}` };
  }
}

function hexadecimal(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
