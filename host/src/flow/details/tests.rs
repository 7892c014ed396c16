use serde_json::json;

use super::words::VALUE_MAX;
use super::*;

const PAYMENT: &str = r#"
    [words]
    en = "Pay {/amount/value} {/amount/currency} to {/creditor}"
    ar = "ادفع {/amount/value} إلى {/creditor}"
    [schema]
    type = "object"
    required = ["type", "amount", "creditor"]
    additionalProperties = false
    [schema.properties]
    type = {}
    creditor = { type = "string", maxLength = 70 }
    note = { type = "array", items = { type = "string" } }
    amount = { type = "object", required = ["value"], properties = { value = { type = "string", pattern = "^[0-9]+(\\.[0-9]{2})?$" } } }
"#;

fn members(text: &str) -> Map<String, Value> {
    let table: toml::Table = toml::from_str(text).unwrap();
    serde_json::to_value(table).unwrap().as_object().unwrap().clone()
}

fn declare(types: &DetailTypes, file: &str, text: &str) -> Result<(), String> {
    let (name, declared) = DetailType::read(file, members(text))?;
    types.declare(file, name, declared)
}

fn types() -> DetailTypes {
    let types = DetailTypes::default();
    declare(&types, "payment", PAYMENT).unwrap();
    declare(&types, "account", "type = 'https://bank.example/account'\nschema = true\nwords = { de = 'Konto {/accounts}' }").unwrap();
    types
}

#[test]
fn item_8_an_entry_is_held_against_the_schema_of_its_type() {
    let types = types();
    assert_eq!(types.names(), ["https://bank.example/account", "payment"]);
    let good = json!({ "type": "payment", "amount": { "value": "12.50", "currency": "EUR" }, "creditor": "Fern & Co" });
    for (details, why) in [
        (json!([good, { "type": "https://bank.example/account" }]), None),
        (json!([good, { "type": "payment", "creditor": "x" }]), Some("authorization_details[1]: it: ")),
        (json!([{ "type": "payment", "creditor": "x", "amount": { "value": "secret" } }]), Some("[0]: /amount/value: ")),
        (json!([{ "type": "payment", "creditor": "x", "amount": { "value": "1" }, "hidden": 1 }]), Some("[0]: it: ")),
        (json!([{ "type": "payment", "creditor": "x".repeat(70), "amount": { "value": "1", "currency": "y".repeat(100) } }]), None),
        (
            json!([{ "type": "payment", "creditor": "x", "amount": { "value": "1", "currency": "y".repeat(101) } }]),
            Some("[0]: it has a value that is longer than the person can be shown"),
        ),
        (json!([{ "type": "unheard" }]), Some("[0]: its type is not known here")),
    ] {
        match (types.check(&details), why) {
            (Ok(()), None) => {}
            (Err(error), Some(why)) => {
                assert!(error.description.contains(why) && !error.description.contains("secret"), "{}", error.description);
            }
            (said, _) => panic!("{details}: {said:?}"),
        }
    }
}

#[test]
fn item_8_the_person_reads_words_and_no_more_than_they_can_see() {
    let types = types();
    let entry = json!({ "type": "payment", "amount": { "value": "12.50", "currency": "EUR" }, "creditor": "Fern \u{202e}& Co" });
    assert_eq!(
        types.in_words(&json!([entry]), None),
        ["Pay \u{2068}12.50\u{2069} \u{2068}EUR\u{2069} to \u{2068}Fern \u{fffd}& Co\u{2069}"],
        "what the client wrote is isolated"
    );
    let isolates = ['\u{2068}', '\u{2069}'];
    let plain = |details: &Value, locale| -> Vec<String> {
        types.in_words(details, locale).iter().map(|line| line.replace(isolates, "")).collect()
    };
    assert_eq!(plain(&json!([entry]), None), ["Pay 12.50 EUR to Fern \u{fffd}& Co"]);
    assert_eq!(plain(&json!([entry]), Some("pt-BR")), ["Pay 12.50 EUR to Fern \u{fffd}& Co"]);
    assert_eq!(plain(&json!([entry]), Some("ar-EG")), ["ادفع 12.50 إلى Fern \u{fffd}& Co"]);
    assert_eq!(plain(&json!([{ "type": "payment" }]), Some("en")), ["Pay — — to —"]);
    let account = json!({ "type": "https://bank.example/account", "accounts": ["1", 2, { "a": null }] });
    assert_eq!(plain(&json!([account]), None), ["Konto 1, 2, {\"a\":null}"]);
    let long = json!({ "type": "https://bank.example/account", "accounts": "x".repeat(1000) });
    assert_eq!(plain(&json!([long]), None)[0].chars().count(), "Konto ".len() + VALUE_MAX);
    let gone = json!([{ "type": "gone", "note": "y\n".repeat(1000) }]);
    assert_eq!(types.in_words(&gone, None)[0].chars().count(), ENTRY_MAX);
}

#[test]
fn a_file_that_cannot_be_used_says_why() {
    for (text, why) in [
        ("schema = true", "words"),
        ("schema = true\n[words]", "at least one language"),
        ("schema = true\n[words]\nen = \"{/a\"", "words.en: a brace is opened"),
        ("schema = true\n[words]\nen = \"a}\"", "words.en: a brace is closed"),
        ("schema = true\n[words]\nen = \"{a}\"", "JSON pointer"),
        ("[words]\nen = \"x\"\n[schema]\ntype = \"nothing\"", "schema: "),
        ("[words]\nen = \"x\"\n[schema]\n\"$ref\" = \"https://x.example\"", "schema: "),
        ("shema = true", "shema"),
    ] {
        let error = declare(&DetailTypes::default(), "a", text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_type_has_one_file_and_a_file_one_type() {
    let types = types();
    let again = "type = 'payment'\nschema = true\nwords = { en = 'x' }";
    assert_eq!(declare(&types, "again", again).unwrap_err(), "another file declares the type payment too");
    declare(&types, "payment", "type = 'loan'\nschema = true\nwords = { en = 'x' }").unwrap();
    assert_eq!(types.names(), ["https://bank.example/account", "loan"]);
    declare(&types, "again", again).unwrap();
    types.undeclare("payment");
    assert_eq!(types.names(), ["https://bank.example/account", "payment"]);
}
