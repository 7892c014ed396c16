use super::*;

const HERE: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn limits(config: LimitsConfig) -> Limits {
    Limits::new(&config)
}

const OFF: LimitsConfig = LimitsConfig {
    requests_per_client_minute: 0,
    requests_per_user_minute: 0,
    requests_per_pair_minute: 0,
    pending_per_user: 0,
    failures_per_address_minute: 0,
    lockout_failures: 0,
    lockout_minutes: 15,
};

/// What a refusal says: its code, and after how many seconds to come back.
fn refused(result: Result<(), Refused>) -> Option<(ErrorCode, u64)> {
    match result {
        Ok(()) => None,
        Err(Refused::Later { error, after }) => Some((error.code, after)),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn one_clients_requests_do_not_touch_anothers_and_come_back() {
    let limits = limits(LimitsConfig { requests_per_client_minute: 2, ..OFF });
    let ask = |client: &str, second| refused(limits.ask(&client.into(), at(second)));
    assert_eq!([ask("a", 0), ask("a", 0), ask("a", 0)], [None, None, Some((ErrorCode::TemporarilyUnavailable, 30))]);
    assert_eq!((ask("b", 0), ask("a", 29)), (None, Some((ErrorCode::TemporarilyUnavailable, 1))));
    assert_eq!((ask("a", 30), ask("a", 30).is_some()), (None, true));
}

#[test]
fn a_person_is_asked_so_often_and_by_one_client_less() {
    let limits = limits(LimitsConfig { requests_per_user_minute: 3, requests_per_pair_minute: 2, ..OFF });
    let reach = |client: &str, user: &str| refused(limits.reach(&client.into(), &user.into(), at(0))).map(|(_, after)| after);
    assert_eq!([reach("a", "alice"), reach("a", "alice"), reach("a", "alice")], [None, None, Some(30)]);
    assert_eq!([reach("b", "alice"), reach("b", "alice")], [None, Some(20)], "the flood of one client used up the person");
    assert_eq!(reach("a", "bob"), None);
}

#[test]
fn what_is_refused_for_the_person_uses_up_nothing_of_the_pair() {
    let limits = limits(LimitsConfig { requests_per_user_minute: 3, requests_per_pair_minute: 2, ..OFF });
    let reach = |client: &str, second| refused(limits.reach(&client.into(), &"alice".into(), at(second))).map(|(_, after)| after);
    assert_eq!([reach("b", 0), reach("b", 0), reach("c", 0)], [None; 3]);
    assert_eq!([reach("a", 0), reach("a", 0)], [Some(20), Some(20)]);
    assert_eq!(reach("a", 20), None, "what was refused counted");
}

#[test]
fn who_has_had_a_persons_code_is_not_locked_out_by_others_that_guess_it() {
    let limits = limits(LimitsConfig { lockout_failures: 2, ..OFF });
    let try_code = |client: &str, user: &str, second| refused(limits.try_code(&client.into(), &user.into(), at(second)).map(drop));
    limits.code_was_right(&"bank".into(), &"alice".into(), at(0));
    for client in ["a", "b", "c", "d"] {
        assert_eq!([try_code(client, "alice", 1), try_code(client, "alice", 1)], [None, None], "{client}");
    }
    assert!(try_code("shop", "alice", 2).is_some(), "many clients guess together");
    assert_eq!([try_code("bank", "alice", 2), try_code("bank", "alice", 2)], [None, None]);
    assert!(try_code("bank", "alice", 2).is_some(), "its own count holds");
}

#[test]
fn a_code_that_could_not_be_compared_counts_with_nobody() {
    let limits = limits(LimitsConfig { lockout_failures: 1, ..OFF });
    let (shop, alice) = ("shop".into(), "alice".into());
    for _ in 0..10 {
        let tried = limits.try_code(&shop, &alice, at(0)).unwrap();
        limits.code_was_not_compared(&shop, &alice, tried);
    }
    // With all clients together as little as with its own.
    for client in ["shop", "a", "b", "c"] {
        limits.try_code(&client.into(), &alice, at(0)).unwrap();
    }
    assert!(limits.try_code(&"d".into(), &alice, at(0)).is_err());
    // A client that has had the code counts by itself, and is taken back there alone.
    limits.code_was_right(&"bank".into(), &alice, at(0));
    let other = limits.try_code(&"e".into(), &alice, at(0)).unwrap();
    let own = limits.try_code(&"bank".into(), &alice, at(0)).unwrap();
    assert!(other.with_all && !own.with_all);
}

#[test]
fn invented_hints_do_not_drive_out_anybodys_lockout() {
    let limits = limits(LimitsConfig { lockout_failures: 1, ..OFF });
    let try_code = |user: &str| refused(limits.try_code(&"a".into(), &user.into(), at(0)).map(drop));
    assert_eq!(try_code("alice"), None);
    for number in 0..recent::ENTRIES {
        assert_eq!(try_code(&format!("?{number}")), None);
    }
    assert!(try_code("alice").is_some());
}

#[test]
fn one_client_fills_half_of_the_places() {
    let limits = limits(LimitsConfig { pending_per_user: 3, ..OFF });
    let pend = |client: &str, waiting: &[&str]| {
        let waiting: Vec<ClientId> = waiting.iter().map(|client| (*client).into()).collect();
        refused(limits.pend(&client.into(), &waiting)).is_none()
    };
    assert!(pend("a", &[]) && pend("a", &["a"]) && !pend("a", &["a", "a"]) && pend("b", &["a", "a"]));
    assert!(!pend("c", &["a", "a", "b"]));
}

#[test]
fn a_client_that_fails_is_locked_out_where_it_failed_and_nowhere_else() {
    let limits = limits(LimitsConfig { lockout_failures: 2, ..OFF });
    let (a, b, there): (ClientId, ClientId, IpAddr) = ("a".into(), "b".into(), "192.0.2.1".parse().unwrap());
    let listen = |client: &ClientId, from, second| refused(limits.listen(Some(client), from, at(second)));
    limits.failed(Some(&a), HERE, at(0));
    limits.proved(&a, HERE, at(0));
    limits.failed(Some(&a), HERE, at(0));
    assert_eq!(listen(&a, HERE, 0), None, "what was right in between does not count");
    limits.failed(Some(&a), HERE, at(0));
    assert_eq!(listen(&a, HERE, 0), Some((ErrorCode::InvalidClient, 60)));
    assert_eq!((listen(&a, there, 0), listen(&b, HERE, 0), listen(&a, HERE, 60)), (None, None, None));
}

#[test]
fn an_address_that_fails_is_refused_but_not_the_clients_that_proved_themselves_there() {
    let limits = limits(LimitsConfig { failures_per_address_minute: 3, ..OFF });
    let (known, from, neighbour): (ClientId, IpAddr, IpAddr) =
        ("known".into(), "2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
    limits.proved(&known, from, at(0));
    for _ in 0..3 {
        assert_eq!(refused(limits.listen(None, from, at(0))), None);
        limits.count(from, at(0));
    }
    assert_eq!(refused(limits.listen(Some(&"b".into()), neighbour, at(0))), Some((ErrorCode::TemporarilyUnavailable, 20)));
    assert_eq!(refused(limits.listen(None, HERE, at(0))), None);
    assert_eq!(refused(limits.listen(Some(&known), from, at(0))), None);
    assert!(refused(limits.listen(Some(&known), "2001:db8:0:1::1".parse().unwrap(), at(0))).is_none());
    assert_eq!(refused(limits.listen(None, from, at(20))), None);
}

#[test]
fn who_hangs_up_before_the_outcome_has_failed() {
    let limits = limits(LimitsConfig { failures_per_address_minute: 2, ..OFF });
    for _ in 0..5 {
        limits.unheard(HERE, at(0)).heard();
    }
    assert_eq!(refused(limits.listen(None, HERE, at(0))), None);
    for _ in 0..2 {
        drop(limits.unheard(HERE, at(0)));
    }
    assert!(refused(limits.listen(None, HERE, at(0))).is_some());
}

#[test]
fn codes_are_not_guessed_by_one_client_nor_by_many_nor_at_once() {
    let limits = limits(LimitsConfig { lockout_failures: 2, ..OFF });
    let try_code = |client: &str, user: &str| refused(limits.try_code(&client.into(), &user.into(), at(0)).map(drop));
    let locked = Some((ErrorCode::InvalidUserCode, 60));
    assert_eq!([try_code("a", "alice"), try_code("a", "alice"), try_code("a", "alice")], [None, None, locked]);
    // What is not looked at does not count either: four clients may fail twice each.
    assert_eq!([try_code("a", "alice"), try_code("a", "bob")], [locked, None]);
    for client in ["b", "c", "d"] {
        assert_eq!([try_code(client, "alice"), try_code(client, "alice")], [None, None], "{client}");
    }
    assert_eq!(try_code("e", "alice"), locked, "many clients guess together");
    limits.code_was_right(&"e".into(), &"alice".into(), at(0));
    assert_eq!(try_code("f", "alice"), None);
}

#[test]
fn nothing_is_limited_where_everything_is_off() {
    let limits = limits(OFF);
    for _ in 0..1000 {
        limits.failed(Some(&"a".into()), HERE, at(0));
        let asked = [limits.ask(&"a".into(), at(0)), limits.reach(&"a".into(), &"u".into(), at(0))];
        let shown = [limits.listen(Some(&"a".into()), HERE, at(0)), limits.try_code(&"a".into(), &"u".into(), at(0)).map(drop)];
        assert!(asked.into_iter().chain(shown).all(|result| refused(result).is_none()));
    }
    assert!(refused(limits.pend(&"a".into(), &vec!["a".into(); 1000])).is_none());
}

#[test]
fn a_client_changes_itself_so_often_whatever_the_others_do() {
    let limits = limits(OFF);
    let change = |client: &str, second| refused(limits.change(&client.into(), at(second)));
    assert!((0..CHANGES).all(|_| change("a", 0).is_none()));
    assert_eq!(change("a", 0), Some((ErrorCode::TemporarilyUnavailable, 2)));
    assert_eq!((change("b", 0), change("a", 2)), (None, None));
}

#[test]
fn slow_sectors_take_up_so_many_places() {
    let limits = limits(OFF);
    let mut places: Vec<_> = (0..SECTORS).map(|_| limits.fetch_sector().unwrap()).collect();
    assert_eq!(refused(limits.fetch_sector().map(drop)), Some((ErrorCode::TemporarilyUnavailable, 10)));
    places.pop();
    assert!(limits.fetch_sector().is_ok());
}
