//! Wants stronger proof for amounts above a limit, read from `authorization_details`.

use ciba_guest::review_request::{Adjustment, Verdict};
use ciba_guest::{Description, Plugin, Problem, ReviewRequest, ScriptError, Transaction};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The type of the details that have an amount.
    r#type: String,
    /// Where it stands in them: a JSON Pointer. Let the type's schema see to the currency.
    amount: String,
    limit: f64,
    acr: String,
}

struct StepUp;

impl Plugin for StepUp {
    type Settings = Settings;

    fn describe() -> Description {
        ciba_guest::description!("Wants stronger proof for amounts above a limit.").settings_schema(include_str!("settings.schema.json"))
    }

    fn validate_settings(settings: &Settings) -> Result<(), Vec<Problem>> {
        if settings.amount.starts_with('/') {
            return Ok(());
        }
        Err(vec![Problem::new("/amount", "must be a JSON Pointer, for example /amount/value")])
    }
}

impl ReviewRequest for StepUp {
    fn review(transaction: &Transaction, settings: Settings) -> Result<Verdict, ScriptError> {
        let Some(details) = transaction.authorization_details() else { return Ok(Verdict::Ask(Vec::new())) };
        let details: Vec<Value> = serde_json::from_str(&details).map_err(|error| ScriptError::Other(error.to_string()))?;
        if settings.is_within(&details) {
            return Ok(Verdict::Ask(Vec::new()));
        }
        // How strong that is among others, the host knows: `authenticators.order`.
        Ok(Verdict::Ask(vec![Adjustment::RequireAcr(settings.acr)]))
    }
}

impl Settings {
    /// Whether all that is asked for together is no more than the limit: two halves are as much as the whole.
    fn is_within(&self, details: &[Value]) -> bool {
        let of_the_type = details.iter().filter(|detail| detail["type"] == *self.r#type);
        let total: Option<f64> = of_the_type.map(|detail| amount(detail.pointer(&self.amount)?)).sum();
        // What cannot be read may be any amount. A rule that lets it pass is a rule that is easily got round.
        total.is_some_and(|total| total <= self.limit)
    }
}

/// An amount as a number or as text, `12.50`. Less than nothing is none: it would make room for another.
fn amount(value: &Value) -> Option<f64> {
    let amount = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    (amount >= 0.0).then_some(amount)
}

ciba_guest::plugin!(StepUp: review_request);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_add_up_and_what_cannot_be_read_is_above_the_limit() {
        let settings = Settings { r#type: "payment".into(), amount: "/amount/value".into(), limit: 100.0, acr: String::new() };
        for (amounts, within) in [
            ("", true),
            (r#""100.00""#, true),
            ("100", true),
            (r#""100.01""#, false),
            (r#""60","60""#, false),
            (r#""-60","120""#, false),
            (r#""NaN""#, false),
            (r#""1e999""#, false),
            (r#""1.000.00""#, false),
            ("null", false),
        ] {
            let payment = |value| format!(r#"{{"type":"payment","amount":{{"value":{value}}}}}"#);
            let payments: Vec<_> = amounts.split_terminator(',').map(payment).collect();
            let other = r#"{"type":"account","amount":{"value":"9999"}}"#.to_owned();
            let details = format!("[{}]", [payments, vec![other]].concat().join(","));
            assert_eq!(settings.is_within(&serde_json::from_str::<Vec<_>>(&details).expect(&details)), within, "{amounts}");
        }
    }
}
