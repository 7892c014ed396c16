// Shows each request on the person's device page, with a note in their language.

import { put } from "ciba:interception/inbox@1.0.0";
import { write } from "ciba:interception/log@1.0.0";
import { get } from "ciba:interception/settings@1.0.0";

const LONGEST_NOTE = 120;

// What is said where `notes` is not set: for each language, by its BCP 47 tag. `en` is for all others.
const NOTES = { en: "This note is from JavaScript", de: "Dieser Hinweis kommt aus JavaScript" };

const SCHEMA = {
  type: "object",
  properties: {
    notes: { type: "object", required: ["en"], additionalProperties: { type: "string" } },
  },
  additionalProperties: false,
};

export const plugin = {
  describe: () => ({
    name: "note-javascript",
    version: "1.0.0",
    summary: "Shows each request on the person's device page, with a note in their language.",
    channels: ["inbox"],
    needs: [{ tag: "inbox" }],
    settingsSchema: JSON.stringify(SCHEMA),
  }),

  validateSettings(settings) {
    const problems = Object.entries(JSON.parse(settings).notes ?? {})
      .map(([language, note]) => ({ setting: `/notes/${language}`, length: [...note].length }))
      .filter(({ length }) => length > LONGEST_NOTE)
      .map(({ setting, length }) => ({ setting, message: `${length} characters long; a note has at most ${LONGEST_NOTE}` }));
    if (problems.length > 0) throw problems;
  },
};

export const notify = {
  notify(tx) {
    const written = get("/notes");
    const note = inLanguage(written ? JSON.parse(written) : NOTES, tx.locale() ?? "en");
    try {
      put(tx, note);
    } catch (refused) {
      throw scriptError(refused.payload);
    }
    write("info", `notified about ${tx.id()}`);
    return { tag: "accepted", val: "" };
  },
};

/** The note for `de-AT`, or else for `de`, or else for `en`. */
function inLanguage(notes, locale) {
  return notes[locale] ?? notes[locale.split("-")[0]] ?? notes.en;
}

/** What a refusal means for the hook that met it. */
function scriptError({ tag, val }) {
  switch (tag) {
    // Only the operator can change what is permitted, exactly as with a wrong setting.
    case "not-permitted":
      return { tag: "settings", val };
    case "unavailable":
      return { tag: "temporary", val };
    default:
      return { tag: "other", val };
  }
}
