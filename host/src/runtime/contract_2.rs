//! A second major version of the contract, for tests: `review-request` with another verdict, beside the first.
//!
//! What a major version does not change it does not name again: it uses the interfaces of the first. So a plugin's version
//! is that of each hook it exports, and one host serves both.

wasmtime::component::bindgen!({
    path: "../wit",
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
            export review-request;
        }
    ",
    world: "ciba:interception/second@2.0.0",
    exports: { default: async },
    with: {
        "ciba:interception/transactions@1.0.0": super::contract::ciba::interception::transactions,
        "ciba:interception/refusals@1.0.0": super::contract::ciba::interception::refusals,
    },
});

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::Arc;

    use crate::clock::Clock;
    use crate::outbound::{Door, Networks};
    use crate::protocol::note::Note;
    use crate::protocol::plugin::PluginName;
    use crate::runtime::{
        Adjustment, CallFailure, RequestVerdict, ReviewRequest, Runtime, RuntimeConfig, Status, TransactionView, Urgency, Version,
    };
    use crate::store::sqlite::SqliteStore;

    /// One of the guests in `tests/guests`.
    fn guest(name: &str) -> Vec<u8> {
        let test = std::env::current_exe().unwrap();
        let target: PathBuf = test.ancestors().nth(3).unwrap().join("guests");
        fs::read(target.join(format!("{name}.wasm"))).expect("run scripts/test, which builds the guests")
    }

    fn note(text: &str) -> Result<RequestVerdict, CallFailure> {
        Ok(RequestVerdict::Ask(vec![Adjustment::Note(Note::parse(text).unwrap())]))
    }

    #[tokio::test]
    async fn plugins_of_two_versions_of_the_contract_serve_one_hook_and_a_third_is_refused_by_name() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("plugins");
        fs::create_dir(&folder).unwrap();
        let put = |name: &str, order: u32, settings: &str, component: &[u8]| {
            fs::write(folder.join(format!("{name}.toml")), format!("order = {order}\n[settings]\n{settings}\n")).unwrap();
            fs::write(folder.join(format!("{name}.wasm")), component).unwrap();
        };
        let second = guest("second_contract");
        // The same under another version, in the name alone.
        let name = b"review-request@2.0.0";
        let mut third = second.clone();
        while let Some(at) = third.windows(name.len()).position(|window| window == name) {
            third[at + name.len() - 5] = b'3';
        }
        put("first", 2, "review-request = ['note of the first']", &guest("scripted"));
        put("second", 1, "", &second);
        put("last", 3, "review-request = ['refuse by the last']", &guest("scripted"));
        put("third", 4, "", &third);

        let config = RuntimeConfig { folder: folder.clone(), cache: data.path().join("cache"), ..RuntimeConfig::default() };
        let store = Arc::new(SqliteStore::open(&data.path().join("ciba.db")).unwrap());
        let runtime = Runtime::start(config, store, Door::new(Networks::default()), Clock::System, &[0; 32]).await.unwrap();
        let mut changes = runtime.changes();
        let _watching = runtime.watch_folder().await.unwrap();
        let catalog = changes.wait_for(|catalog| catalog.of_hook::<ReviewRequest>().is_some_and(|of| of.len() == 3)).await.unwrap().clone();
        let serving: Vec<Arc<Version>> = catalog.of_hook::<ReviewRequest>().unwrap().to_vec();
        assert_eq!(serving.iter().map(|version| version.name.to_string()).collect::<Vec<_>>(), ["second", "first", "last"]);

        let ask = async |of: usize, client: &str| {
            let transaction = Arc::new(TransactionView {
                client_id: Some(client.to_owned()),
                binding_message: Some("of the second".to_owned()),
                ..TransactionView::default()
            });
            runtime.call(&serving[of], ReviewRequest { transaction }, Urgency::ClientWaits).await.result
        };
        assert_eq!(ask(0, "shop").await, note("of the second"));
        assert_eq!(ask(0, "refused").await, Ok(RequestVerdict::Refuse("by the second".to_owned())));
        assert_eq!(ask(0, "failed").await, Err(CallFailure::Temporary("by the second".to_owned())));
        assert_eq!(ask(1, "shop").await, note("of the first"));
        assert_eq!(ask(2, "shop").await, Ok(RequestVerdict::Refuse("by the last".to_owned())));

        let third = PluginName::parse("third").unwrap();
        let refused = changes
            .wait_for(|catalog| catalog.plugin(&third).is_some_and(|plugin| plugin.status != Status::Waiting))
            .await
            .unwrap()
            .clone();
        let Status::Refused(refusal) = &refused.plugin(&third).unwrap().status else { panic!("it was taken") };
        let words = "exports ciba:interception/review-request@3.0.0; this host speaks 1.x and 2.x";
        assert_eq!((refusal.word.as_str(), refusal.what.as_str()), ("contract-version", words));
    }
}
