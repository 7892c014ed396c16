//! Reviews requests by a second major version of the contract, which only the host's own tests speak. What that does not
//! change it uses of the first.

#![expect(unsafe_code, reason = "what `wit-bindgen` exports it by")]

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package ciba:interception@2.0.0;

        interface review-request {
            use ciba:interception/transactions@1.0.0.{transaction};
            use ciba:interception/refusals@1.0.0.{script-error};

            record question {
                note: option<string>,
            }

            variant verdict {
                ask(question),
                refuse(string),
            }

            review: func(tx: borrow<transaction>) -> result<verdict, script-error>;
        }

        world second {
            export ciba:interception/plugin@1.0.0;
            export review-request;
        }
    ",
    world: "ciba:interception/second@2.0.0",
    generate_all,
});

use exports::ciba::interception1_0_0::plugin::{self, Description, Problem};
use exports::ciba::interception2_0_0::review_request::{self, Question, ScriptError, Transaction, Verdict};

struct Guest;

impl plugin::Guest for Guest {
    fn describe() -> Description {
        Description {
            name: "second".to_owned(),
            version: "2.0.0".to_owned(),
            summary: "Speaks a second version of the contract.".to_owned(),
            channels: Vec::new(),
            needs: Vec::new(),
            settings_schema: "true".to_owned(),
        }
    }

    fn validate_settings(_: String) -> Result<(), Vec<Problem>> {
        Ok(())
    }
}

impl review_request::Guest for Guest {
    fn review(tx: &Transaction) -> Result<Verdict, ScriptError> {
        Ok(match tx.client_id().as_deref() {
            Some("refused") => Verdict::Refuse("by the second".to_owned()),
            Some("failed") => return Err(ScriptError::Temporary("by the second".to_owned())),
            _ => Verdict::Ask(Question { note: tx.binding_message() }),
        })
    }
}

export!(Guest);
