//! Made with `wit-bindgen` alone, for `wasi:keyvalue`, `wasi:config` and `wasi:logging`: knows nothing of `storage`,
//! `settings` and `log`. Does what `request_context` says, a list of orders, each a list of words.

#![expect(unsafe_code, reason = "what `wit-bindgen` exports it by")]

use std::cell::RefCell;

use exports::ciba::interception::{plugin, review_request};
use serde_json::Value;
use wasi::config::store as config;
use wasi::keyvalue::store::{Bucket, Error, open};
use wasi::keyvalue::{atomics, batch};
use wasi::logging::logging::{Level, log};

wit_bindgen::generate!({
    inline: "
        package test:speaks-drafts;

        world speaks-drafts {
            include ciba:interception/drafts@1.0.0;
            export ciba:interception/plugin@1.0.0;
            export ciba:interception/review-request@1.0.0;
        }
    ",
    path: "../../../wit",
    generate_all,
});

struct Guest;

thread_local! {
    /// What a program keeps that opens its bucket once.
    static BUCKET: RefCell<Option<Bucket>> = const { RefCell::new(None) };
}

impl plugin::Guest for Guest {
    fn describe() -> plugin::Description {
        plugin::Description {
            name: "speaks-drafts".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "Speaks drafts of WASI.".to_owned(),
            channels: Vec::new(),
            needs: vec![plugin::Need::Storage],
            settings_schema: r#"{"properties": {"token": {"writeOnly": true}}}"#.to_owned(),
        }
    }

    fn validate_settings(_: String) -> Result<(), Vec<plugin::Problem>> {
        Ok(())
    }
}

impl review_request::Guest for Guest {
    fn review(transaction: &review_request::Transaction) -> Result<review_request::Verdict, review_request::ScriptError> {
        let context = transaction.request_context().unwrap_or_default();
        let context: Value = serde_json::from_str(&context).unwrap_or_default();
        let orders = context["orders"].as_array().filter(|_| context["to"] == "drafts");
        for order in orders.into_iter().flatten() {
            let words: Vec<&str> = order.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            log(Level::Info, words[0], &follow(&words));
        }
        Ok(review_request::Verdict::Ask(Vec::new()))
    }
}

fn follow(words: &[&str]) -> String {
    let bucket = || open("default");
    match words {
        ["open", name] => format!("{:?}", open(name).map(drop)),
        ["open-and-keep"] => format!("{:?}", bucket().map(|bucket| BUCKET.with(|kept| kept.replace(Some(bucket)).is_some()))),
        ["get-kept", key] => BUCKET.with(|kept| kept.borrow().as_ref().map_or("none".to_owned(), |kept| text(kept.get(key)))),
        ["get", key] => text(bucket().and_then(|bucket| bucket.get(key))),
        ["set", key, value] => format!("{:?}", bucket().and_then(|bucket| bucket.set(key, value.as_bytes()))),
        ["delete", key] => format!("{:?}", bucket().and_then(|bucket| bucket.delete(key))),
        ["exists", key] => format!("{:?}", bucket().and_then(|bucket| bucket.exists(key))),
        ["increment", key, delta] => format!("{:?}", bucket().and_then(|bucket| atomics::increment(&bucket, key, delta.parse().unwrap()))),
        ["fill", prefix, count] => format!("{:?}", bucket().and_then(|bucket| fill(&bucket, prefix, count.parse().unwrap()))),
        ["list"] => format!("{:?}", bucket().and_then(|bucket| list(&bucket))),
        ["cursor", cursor] => {
            let listed = bucket().and_then(|bucket| bucket.list_keys(Some(cursor.parse().unwrap())));
            format!("{:?}", listed.map(|listed| listed.keys.len()))
        }
        ["get-many", keys @ ..] => {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            let found = bucket().and_then(|bucket| batch::get_many(&bucket, &keys));
            let in_words = |pair: (String, Vec<u8>)| format!("{}={}", pair.0, String::from_utf8_lossy(&pair.1));
            format!("{:?}", found.map(|found| found.into_iter().map(|pair| pair.map(in_words)).collect::<Vec<_>>()))
        }
        ["set-many", pairs @ ..] => {
            let pairs: Vec<_> = pairs.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].as_bytes().to_vec())).collect();
            format!("{:?}", bucket().and_then(|bucket| batch::set_many(&bucket, &pairs)))
        }
        ["delete-many", keys @ ..] => {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            format!("{:?}", bucket().and_then(|bucket| batch::delete_many(&bucket, &keys)))
        }
        ["config", key] => format!("{:?}", config::get(key)),
        ["config-all"] => format!("{:?}", config::get_all()),
        ["log", message] => {
            for (level, context) in [(Level::Trace, "deep"), (Level::Warn, ""), (Level::Critical, "a\nb")] {
                log(level, context, message);
            }
            String::new()
        }
        other => format!("cannot {other:?}"),
    }
}

fn text(found: Result<Option<Vec<u8>>, Error>) -> String {
    format!("{:?}", found.map(|value| value.map(|value| String::from_utf8_lossy(&value).into_owned())))
}

fn fill(bucket: &Bucket, prefix: &str, count: u32) -> Result<(), Error> {
    (0..count).try_for_each(|number| bucket.set(&format!("{prefix}{number:04}"), b""))
}

/// How many keys each page has, and whether they are different ones in their order.
fn list(bucket: &Bucket) -> Result<(Vec<usize>, bool), Error> {
    let (mut pages, mut all, mut cursor) = (Vec::new(), Vec::new(), None);
    loop {
        let page = bucket.list_keys(cursor)?;
        pages.push(page.keys.len());
        all.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok((pages, all.is_sorted_by(|a, b| a < b)));
        }
    }
}

export!(Guest);
