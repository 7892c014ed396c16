//! `shape-introspection`: what a resource server is told of an access token that works.

use std::sync::Arc;

use serde_json::Value;

use super::super::{Flow, Refused};
use super::unusable;
use crate::protocol::added_claims::is_reserved;
use crate::protocol::client::Client;
use crate::protocol::transaction::Request;
use crate::runtime::{CallFailure, Shape, ShapeIntrospection, Shaping};

/// The longest answer that plugins make, as JSON, in bytes.
const ANSWER_BYTES: usize = 64 << 10;

impl Flow {
    /// Asks every plugin, each with what the ones before it left. `None` where one says that the token is not active, after
    /// which there is nothing left to ask about.
    ///
    /// # Errors
    /// One of them failed, and nothing is said.
    pub(in super::super) async fn shape_introspection(
        &self,
        request: &Request,
        caller: &Client,
        mut described: Value,
    ) -> Result<Option<Value>, Refused> {
        let Some(turns) = self.turns::<ShapeIntrospection>(request.transaction.as_str()) else { return Ok(Some(described)) };
        let parties = self.parties(request).await?;
        for turn in &turns {
            let transaction = Arc::new(self.view(turn, request, &parties, None).await);
            let hook = ShapeIntrospection { transaction, caller: caller.id.0.clone(), members: described.to_string() };
            let Some((version, shaping)) = self.ask(turn, hook).await? else { continue };
            match shaping {
                Shaping::Inactive => {
                    tracing::info!(transaction = %request.transaction, plugin = %version.name, caller = %caller.id, "a plugin says of a token that it is not active");
                    return Ok(None);
                }
                Shaping::Answer(shapes) => match shaped(&described, shapes) {
                    Ok(answer) => described = answer,
                    Err(failure) => unusable::<ShapeIntrospection>(version, &failure)?,
                },
            }
        }
        Ok(Some(described))
    }
}

/// The answer with all of the changes, or with none of them.
fn shaped(described: &Value, shapes: Vec<Shape>) -> Result<Value, CallFailure> {
    let mut answer = described.as_object().cloned().unwrap_or_default();
    for shape in shapes {
        let (Shape::Set(name, _) | Shape::Remove(name)) = &shape;
        if is_reserved(name) {
            return Err(CallFailure::Answer(format!("named the member {name}, which is the host's alone")));
        }
        match shape {
            Shape::Set(name, value) => drop(answer.insert(name, value)),
            Shape::Remove(name) => drop(answer.remove(&name)),
        }
    }
    let answer = Value::Object(answer);
    let bytes = answer.to_string().len();
    if bytes > ANSWER_BYTES {
        return Err(CallFailure::Size(format!("made the answer {bytes} bytes; at most {ANSWER_BYTES} are taken")));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_are_made_in_their_order_and_never_to_what_is_the_hosts_alone() {
        let before = json!({ "active": true, "sub": "alice", "groups": ["a"] });
        let set = |name: &str, value: Value| Shape::Set(name.to_owned(), value);
        let remove = |name: &str| Shape::Remove(name.to_owned());
        let after = shaped(&before, vec![set("tier", json!(1)), remove("groups"), remove("nothing"), set("tier", json!(2))]).unwrap();
        assert_eq!(after, json!({ "active": true, "sub": "alice", "tier": 2 }));
        for wrong in [set("sub", json!("mallory")), remove("active"), remove("cnf"), set("exp", json!(1)), set("scope", json!("all"))] {
            assert!(shaped(&before, vec![set("tier", json!(1)), wrong.clone()]).is_err(), "{wrong:?}");
        }
        let long = json!("x".repeat(16 << 10));
        let many = (0..4).map(|number| set(&number.to_string(), long.clone())).collect();
        assert!(matches!(shaped(&before, many), Err(CallFailure::Size(_))));
    }
}
