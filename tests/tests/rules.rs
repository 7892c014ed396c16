//! Where each rule of the protocol is tested, and each fault that was seen in other providers: an index for people, which
//! this test keeps true. `conformance.rs` asks most of it once more, by programs that others wrote.

use std::collections::BTreeSet;
use std::path::Path;

/// What a client asks and gets, and the tests that show it.
const RULES: &[(&str, &[&str])] = &[
    (
        "1: each way to prove who asks",
        &[
            "a_client_proves_itself_in_one_way",
            "item_1_an_assertion_by_a_shared_secret_counts_once_for_its_client_and_for_us",
            "each_rule_is_checked",
            "every_name_of_ours_is_an_audience_unless_only_the_issuer_is",
            "a_certificate_that_stands_beside_a_registered_key_proves_who_asks",
            "clients_in_two_languages_work_with_ours",
        ],
    ),
    (
        "2: two proofs at once, parameters given twice, other content types",
        &["every_method_is_read_and_no_two_are_mixed", "refuses_by_name", "a_bad_request_is_refused_by_name"],
    ),
    (
        "3: scope and hints",
        &[
            "item_3_exactly_one_hint_names_the_person",
            "item_3_an_id_token_that_we_gave_to_this_client_names_its_person",
            "item_3_somebody_whom_the_operator_trusts_names_the_person",
        ],
    ),
    (
        "4: the notification token",
        &[
            "item_4_a_notification_token_is_required_for_ping_and_push_and_is_a_bearer_token",
            "item_4_what_ping_and_push_tell_is_kept_sealed",
        ],
    ),
    (
        "5: binding messages",
        &[
            "any_language_is_welcome",
            "what_cannot_be_shown_as_it_is_gets_refused",
            "item_5_a_client_can_have_rules_of_its_own_for_binding_messages",
        ],
    ),
    (
        "6: user codes",
        &[
            "item_6_a_person_with_a_code_is_asked_only_with_it",
            "item_6_a_code_is_kept_as_a_slow_salted_hash",
            "a_persons_code_is_not_guessed_and_the_right_one_is_not_looked_at_either",
        ],
    ),
    (
        "7: requested_expiry",
        &["item_7_expiry_is_capped_and_tells_the_truth", "item_7_requested_expiry_is_a_positive_whole_number_in_either_form"],
    ),
    (
        "8: details, resources, context",
        &["item_8_details_resources_and_context_are_checked_and_kept", "item_8_the_person_reads_words_and_no_more_than_they_can_see"],
    ),
    (
        "9: signed requests",
        &["item_9_a_request_object_keeps_every_rule", "item_9_a_signed_request_counts_once_and_every_fault_in_it_is_an_invalid_request"],
    ),
    (
        "10: the order of the checks, and people who are hidden",
        &[
            "item_10_the_client_comes_first_then_the_request_then_the_person",
            "item_10_whoever_is_not_known_is_answered_like_everybody_where_the_operator_so_sets",
        ],
    ),
    (
        "11: the order at the token endpoint",
        &[
            "item_11_whoever_is_sent_its_tokens_does_not_ask_for_them",
            "only_the_person_who_was_asked_decides_and_only_the_client_that_asked_redeems",
            "tokens_are_bound_to_what_the_client_registered",
        ],
    ),
    (
        "12: pace and long polling",
        &[
            "polling_too_fast_costs_five_seconds_each_time",
            "a_client_that_opted_in_is_held_until_there_is_news",
            "a_second_poll_releases_the_one_that_is_held",
            "who_polls_too_early_again_and_again_is_told_so_and_the_request_stays_as_it_is",
        ],
    ),
    ("13: denied and expired", &["a_denied_request_stays_denied", "the_lifetime_asked_for_is_the_lifetime_told_up_to_the_cap"]),
    (
        "14: redeemed once",
        &[
            "of_sixty_four_polls_of_one_approved_request_one_gets_tokens_and_they_are_good",
            "of_sixty_four_that_redeem_one_approval_one_has_tokens_and_they_work",
        ],
    ),
    (
        "15: minted before it is swapped",
        &["tokens_say_who_approved_when_and_never_more_than_is_known", "what_was_acknowledged_survives_a_kill"],
    ),
    (
        "16: refresh tokens",
        &[
            "item_16_a_refresh_token_is_replaced_and_whoever_uses_an_old_one_ends_everything",
            "item_16_of_two_answers_to_one_refresh_token_the_second_that_is_used_ends_everything",
            "item_16_a_refresh_keeps_the_time_of_the_approval_and_never_gives_more",
            "a_refresh_token_that_stays_the_same_works_again_and_again",
            "of_sixty_four_that_refresh_at_once_nobody_is_lost_and_whoever_comes_late_is_a_thief",
        ],
    ),
    ("17: acr is what was verified", &["item_17_acr_is_what_was_verified_and_less_than_the_client_takes_approves_nothing"]),
    (
        "18: ping",
        &[
            "a_ping_says_only_that_there_is_news_and_says_it_for_every_end",
            "whatever_an_endpoint_answers_to_a_ping_the_client_gets_its_tokens",
        ],
    ),
    (
        "19: push",
        &[
            "a_push_brings_the_tokens_or_says_why_there_are_none",
            "a_push_that_was_cut_off_is_sent_again_byte_by_byte",
            "tokens_that_are_refused_are_revoked",
            "tokens_that_could_not_be_pushed_in_time_are_revoked_and_never_sent_again",
        ],
    ),
    (
        "20: one clock",
        &[
            "expiry_is_read_off_the_clock_and_only_moves_what_is_undecided_or_unfetched",
            "of_answers_around_the_end_one_counts_and_none_after_it",
        ],
    ),
    (
        "21: what is hashed and what is sealed",
        &["item_4_what_ping_and_push_tell_is_kept_sealed", "what_a_client_is_told_with_is_kept_until_it_was_told"],
    ),
    (
        "22: notification endpoints",
        &["an_endpoint_inside_the_house_is_never_connected_to", "only_public_addresses_unless_the_operator_says_so"],
    ),
    ("23: nobody can be reached", &["a_client_that_wants_to_know_at_once_that_nobody_can_be_reached_does"]),
    (
        "24: supersession",
        &[
            "item_24_a_new_request_takes_the_place_of_one_that_waits_where_the_client_so_chose",
            "a_superseded_request_is_told_as_denied",
            "a_plugin_takes_back_what_it_sent_and_learns_why",
        ],
    ),
    (
        "25: discovery, TLS, keys",
        &[
            "discovery_says_what_is_served_and_nothing_else",
            "tls_1_3_and_1_2_are_spoken_with_the_suites_of_fapi_and_nothing_older",
            "a_rotation_has_the_overlap_that_was_asked_for",
        ],
    ),
    (
        "26: registration",
        &[
            "a_client_registers_with_nothing_but_an_invitation_and_gets_its_tokens",
            "a_client_reads_changes_and_removes_itself",
            "what_cannot_be_registered_is_refused_with_the_member",
        ],
    ),
    ("27: UserInfo, introspection, revocation", &["item_27_a_token_opens_what_it_covers_is_described_to_its_client_and_is_taken_back"]),
    (
        "28: FAPI",
        &[
            "item_28_each_profile_asks_for_what_it_asks",
            "item_28_a_client_of_a_profile_is_held_to_it_at_every_request",
            "the_suite_passes_on_ours",
        ],
    ),
    (
        "29: limits and lockout",
        &["after_five_wrong_secrets_nobody_looks_at_the_next_at_any_endpoint", "a_person_is_not_flooded_by_one_client_nor_by_many"],
    ),
];

/// What was seen in other providers.
const FAULTS: &[(&str, &[&str])] = &[
    (
        "who approved is not compared with who was asked",
        &[
            "only_the_person_who_was_asked_decides_and_only_the_client_that_asked_redeems",
            "only_the_user_who_was_asked_decides_once_and_in_time",
        ],
    ),
    ("a denied request can be granted later", &["a_denied_request_stays_denied"]),
    ("concurrent polls got two sets of tokens", &["of_many_polls_at_once_one_gets_the_tokens"]),
    (
        "polls extended the lifetime, or nothing expired without a clean-up",
        &[
            "the_lifetime_asked_for_is_the_lifetime_told_up_to_the_cap",
            "expiry_is_read_off_the_clock_and_only_moves_what_is_undecided_or_unfetched",
        ],
    ),
    ("acr was the string that was asked for", &["item_17_acr_is_what_was_verified_and_less_than_the_client_takes_approves_nothing"]),
    (
        "another client's ID token was a hint",
        &[
            "item_3_an_id_token_that_we_gave_to_this_client_names_its_person",
            "a_pairwise_client_knows_the_person_by_a_name_of_its_own_and_can_ask_by_it",
        ],
    ),
    (
        "the registered algorithm was not enforced, jti not remembered",
        &["item_9_a_signed_request_counts_once_and_every_fault_in_it_is_an_invalid_request"],
    ),
    ("devices were registered without authentication", &["a_one_time_link_works_once_and_in_time"]),
    ("a failed push lost the tokens, callbacks had no retry", &["an_endpoint_that_was_down_is_told_when_it_is_back"]),
    (
        "a callback was sent twice, or hung for ever after a crash",
        &["a_job_is_given_to_one_worker_at_a_time_until_it_ends", "a_push_that_was_cut_off_is_sent_again_byte_by_byte"],
    ),
    ("the ping was part of the decision", &["an_endpoint_that_hangs_holds_up_nobody_else"]),
    ("requested_expiry changed one clock of several", &["the_lifetime_asked_for_is_the_lifetime_told_up_to_the_cap"]),
    (
        "the interval did not grow, or by another amount",
        &["the_first_poll_is_fair_and_each_early_one_costs_five_seconds", "polling_too_fast_costs_five_seconds_each_time"],
    ),
    (
        "the first poll was throttled, or a decided request",
        &["the_first_poll_is_fair_and_each_early_one_costs_five_seconds", "tokens_say_who_approved_when_and_never_more_than_is_known"],
    ),
    ("an unknown user was an invalid request", &["item_10_whoever_is_not_known_is_answered_like_everybody_where_the_operator_so_sets"]),
    ("binding messages in other languages were refused", &["any_language_is_welcome"]),
    ("a client secret reached somebody else", &["nothing_on_the_disk_is_worth_anything_to_whoever_reads_it"]),
    ("503 without a word when the channel was not configured", &["what_is_removed_stops_and_the_operator_is_told_what_no_longer_happens"]),
    ("the host name was not verified for a ping", &["only_the_right_certificate_will_do"]),
];

/// The names of all functions in the Rust files below this folder.
fn functions(below: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.lines().map(|line| line.trim().trim_start_matches("async "));
            found.extend(lines.filter_map(|line| Some(line.strip_prefix("fn ")?.split_once('(')?.0.to_owned())));
        }
    }
}

#[test]
fn every_rule_and_every_fault_has_tests_that_are_there() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut there = BTreeSet::new();
    for folder in ["tests", "../host/src"] {
        functions(&tests.join(folder), &mut there);
    }
    assert_eq!((RULES.len(), FAULTS.len()), (29, 19));
    let named = RULES.iter().chain(FAULTS).flat_map(|(rule, tests)| tests.iter().map(move |test| (rule, test)));
    let gone: Vec<_> = named.filter(|(_, test)| !there.contains(**test)).collect();
    assert!(gone.is_empty(), "{gone:#?}");
}
