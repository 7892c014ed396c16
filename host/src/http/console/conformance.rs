//! What the banner of the conformance switch says.

use super::super::views::console::Conformance;
use crate::config::Conformance as Config;
use crate::outbound::Networks;

impl Conformance {
    /// What is on, while something is. `relaxed` names the limits that are not what they would be otherwise.
    pub fn of(config: &Config, private: &Networks, relaxed: Vec<String>) -> Option<Self> {
        config.automated_approval.then(|| Self {
            clients: config.clients.iter().map(|client| client.0.clone()).collect(),
            registered_clients: config.registered_clients,
            relaxed,
            private_origins: private.clone().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_names_everybody_and_everything_while_the_switch_is_on() {
        let private = Networks::try_from(vec!["10.0.0.0/8".to_owned()]).unwrap();
        let config = Config { clients: vec!["a".into(), "b".into()], secret_path: "unguessable".to_owned(), ..Config::default() };
        assert_eq!(Conformance::of(&config, &private, vec![]), None);
        let config = Config { automated_approval: true, registered_clients: true, ..config };
        let said = Conformance::of(&config, &private, vec!["requests a minute: 1000".to_owned()]).unwrap();
        let (clients, relaxed) = (vec!["a".to_owned(), "b".to_owned()], vec!["requests a minute: 1000".to_owned()]);
        let expected = Conformance { clients, registered_clients: true, relaxed, private_origins: vec!["10.0.0.0/8".to_owned()] };
        assert_eq!(said, expected);
    }
}
