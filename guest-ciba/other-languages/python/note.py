"""Shows each request on the person's device page, with a note in their language."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.notify import Outcome, Outcome_Accepted
from wit_world.exports.plugin import Description, Need_Inbox, Problem
from wit_world.imports import inbox, log, settings
from wit_world.imports.refusals import (
    Refusal,
    Refusal_NotPermitted,
    Refusal_Unavailable,
    ScriptError,
    ScriptError_Other,
    ScriptError_Settings,
    ScriptError_Temporary,
)
from wit_world.imports.transactions import Transaction

LONGEST_NOTE = 120

# What is said where `notes` is not set: for each language, by its BCP 47 tag. `en` is for all others.
NOTES = {"en": "This note is from Python", "de": "Dieser Hinweis kommt aus Python"}

SCHEMA = """{
    "type": "object",
    "properties": {
        "notes": { "type": "object", "required": ["en"], "additionalProperties": { "type": "string" } }
    },
    "additionalProperties": false
}"""


class Plugin(exports.Plugin):
    def describe(self) -> Description:
        return Description(
            name="note-python",
            version="1.0.0",
            summary="Shows each request on the person's device page, with a note in their language.",
            channels=["inbox"],
            needs=[Need_Inbox()],
            settings_schema=SCHEMA,
        )

    def validate_settings(self, settings: str) -> None:
        problems = [
            Problem(f"/notes/{language}", f"{len(note)} characters long; a note has at most {LONGEST_NOTE}")
            for language, note in json.loads(settings).get("notes", {}).items()
            if len(note) > LONGEST_NOTE
        ]
        if problems:
            raise Err(problems)


class Notify(exports.Notify):
    def notify(self, tx: Transaction) -> Outcome:
        written = settings.get("/notes")
        note = in_language(json.loads(written) if written else NOTES, tx.locale() or "en")
        try:
            inbox.put(tx, note)
        except Err as refused:
            raise Err(script_error(refused.value))
        log.write(log.Level.INFO, f"notified about {tx.id()}")
        return Outcome_Accepted("")


def in_language(notes: dict[str, str], locale: str) -> str:
    """The note for `de-AT`, or else for `de`, or else for `en`."""
    return notes.get(locale) or notes.get(locale.split("-")[0]) or notes["en"]


def script_error(refusal: Refusal) -> ScriptError:
    """What a refusal means for the hook that met it."""
    match refusal:
        # Only the operator can change what is permitted, exactly as with a wrong setting.
        case Refusal_NotPermitted(text):
            return ScriptError_Settings(text)
        case Refusal_Unavailable(text):
            return ScriptError_Temporary(text)
        case _:
            return ScriptError_Other(refusal.value)
