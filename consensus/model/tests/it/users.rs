//! Users and API tokens: made, bounded, removed; and that nothing is done for one who has gone.

use crate::world::{World, check, run};
use expect_test::expect;
use symbi_model::names::Field;
use symbi_model::token::{API_TOKENS, SCOPE_BYTES};
use symbi_model::user::{USERS, User};
use symbi_model::{ApiTokenId, Hash};

#[test]
fn a_user_is_made_with_tokens_and_goes_with_them() {
    check(
        "n1: user bob; user bob; user Bob
         n1: key k1 of bob until 60 for agent::create agent::stop; key k2 of bob until 0 for all; key k1 of bob until 0 for all
         n1: key k3 of eve until 0 for all
         n1: token t1 uses 2 until 900 by=bob; token t2 uses 2 until 900
         n1: unuser bob keeping admin
         n1: enrol n2 with t1; unuser bob keeping admin
         n1: user bob",
        &expect![[r#"
            > n1: user bob; user bob; user Bob
              done
              NAME_TAKEN: the name is taken
              LIMIT: over a limit: a user's name is a DNS label of at most 63 bytes
                Users/bob: by user:admin at 2
            > n1: key k1 of bob until 60 for agent::create agent::stop; key k2 of bob until 0 for all; key k1 of bob until 0 for all
              done
              done
              NAME_TAKEN: the name is taken
                ApiTokens/01010101: bob for agent::create agent::stop
                ApiTokens/02020202: bob for all
            > n1: key k3 of eve until 0 for all
              NOT_FOUND: not found
            > n1: token t1 uses 2 until 900 by=bob; token t2 uses 2 until 900
              done
              done
                JoinTokens/t1: 2 uses, joins []
                JoinTokens/t2: 2 uses, joins []
            > n1: unuser bob keeping admin
              done
                JoinTokens/t1: 2 uses, joins [], revoked
                ApiTokens/01010101: deleted
                ApiTokens/02020202: deleted
                Users/bob: deleted
            > n1: enrol n2 with t1; unuser bob keeping admin
              TOKEN_REVOKED: the join token was revoked
              NOT_FOUND: not found
            > n1: user bob
              done
                Users/bob: by user:admin at 8
        "#]],
    );
}

#[test]
fn whoever_has_gone_is_asked_for_no_more() {
    check(
        "n1: user bob; key k1 of bob until 60 for all; key k2 of bob until 0 for all
         n1: create a1 by=bob shown=k1; annotate a1 k v by=eve; annotate a1 k v by=bob shown=k7
         time 60
         n1: annotate a1 k v by=bob shown=k1; annotate a1 k v by=bob shown=k2
         n1: unkey k2 keeping admin
         n1: c1:1 annotate a1 k v by=bob shown=k2
         n1: key k2 of bob until 0 for all; c1:1 annotate a1 k v by=bob shown=k2
         n1: unuser bob keeping admin; c1:2 annotate a1 k v by=bob set=1; stop a1 by=bob unpermitted",
        &expect![[r#"
            > n1: user bob; key k1 of bob until 60 for all; key k2 of bob until 0 for all
              done
              done
              done
                ApiTokens/01010101: bob for all
                ApiTokens/02020202: bob for all
                Users/bob: by user:admin at 2
            > n1: create a1 by=bob shown=k1; annotate a1 k v by=eve; annotate a1 k v by=bob shown=k7
              created
              CREDENTIAL_REVOKED: the user or the API token that asked was removed, revoked, or has expired
              CREDENTIAL_REVOKED: the user or the API token that asked was removed, revoked, or has expired
                Agents/a1: wanted Running, not placed, no word, version 1
            > time 60
            > n1: annotate a1 k v by=bob shown=k1; annotate a1 k v by=bob shown=k2
              CREDENTIAL_REVOKED: the user or the API token that asked was removed, revoked, or has expired
              done
                Agents/a1: wanted Running, not placed, no word, version 2
            > n1: unkey k2 keeping admin
              done
                ApiTokens/02020202: deleted
            > n1: c1:1 annotate a1 k v by=bob shown=k2
              CREDENTIAL_REVOKED: the user or the API token that asked was removed, revoked, or has expired
            > n1: key k2 of bob until 0 for all; c1:1 annotate a1 k v by=bob shown=k2
              done
              done
                Agents/a1: wanted Running, not placed, no word, version 3
                ApiTokens/01010101: deleted
                ApiTokens/02020202: bob for all
                Dedup/c1: 1 DONE
            > n1: unuser bob keeping admin; c1:2 annotate a1 k v by=bob set=1; stop a1 by=bob unpermitted
              done
              CREDENTIAL_REVOKED: the user or the API token that asked was removed, revoked, or has expired
              PERMIT_MISSING: the command came without a permit
                ApiTokens/02020202: deleted
                Users/bob: deleted
        "#]],
    );
}

#[test]
fn somebody_is_left_who_can_change_the_policies() {
    check(
        "n1: user bob; user eve; key k1 of bob until 0 for policy::apply; key k2 of eve until 0 for agent::create
         n1: key k3 of eve until 60 for all
         n1: unuser admin keeping bob; unuser bob keeping bob; unuser bob keeping eve; unuser bob keeping nobody
         n1: unkey k1 keeping bob; unkey k7 keeping eve; unkey k9 keeping admin
         n1: apply permit kept by eve; unuser eve keeping bob; unkey k7 keeping bob
         n1: unkey k1 keeping bob; unkey k1 keeping admin; apply permit kept by bob; apply permit kept by admin",
        &expect![[r#"
            > n1: user bob; user eve; key k1 of bob until 0 for policy::apply; key k2 of eve until 0 for agent::create
              done
              done
              done
              done
                ApiTokens/01010101: bob for policy::apply
                ApiTokens/02020202: eve for agent::create
                Users/bob: by user:admin at 2
                Users/eve: by user:admin at 2
            > n1: key k3 of eve until 60 for all
              done
                ApiTokens/03030303: eve for all
            > n1: unuser admin keeping bob; unuser bob keeping bob; unuser bob keeping eve; unuser bob keeping nobody
              LOCKOUT: afterwards nobody could administer the cluster
              LOCKOUT: afterwards nobody could administer the cluster
              LOCKOUT: afterwards nobody could administer the cluster
              LOCKOUT: afterwards nobody could administer the cluster
            > n1: unkey k1 keeping bob; unkey k7 keeping eve; unkey k9 keeping admin
              LOCKOUT: afterwards nobody could administer the cluster
              LOCKOUT: afterwards nobody could administer the cluster
              NOT_FOUND: not found
            > n1: apply permit kept by eve; unuser eve keeping bob; unkey k7 keeping bob
              LOCKOUT: afterwards nobody could administer the cluster
              done
              done
                ApiTokens/02020202: deleted
                ApiTokens/03030303: deleted
                ApiTokens/07070707: deleted
                Users/eve: deleted
            > n1: unkey k1 keeping bob; unkey k1 keeping admin; apply permit kept by bob; apply permit kept by admin
              LOCKOUT: afterwards nobody could administer the cluster
              done
              LOCKOUT: afterwards nobody could administer the cluster
              policy set 2
                PolicySets/2: 65 bytes
                ApiTokens/01010101: deleted
        "#]],
    );
}

#[test]
fn there_are_so_many_tokens_of_a_user_and_ended_ones_make_room() {
    let mut world = World::started();
    world.line("n1: user bob");
    let mut made = 0;
    while run(&mut world, &format!("n1: key k{} of bob until {} for all", 10 + made, 60 * (1 + made % 2)))
        .contains("done")
    {
        made += 1;
    }
    assert_eq!(made, API_TOKENS);
    let refused = run(&mut world, "n1: key k8 of bob until 0 for all");
    assert!(refused.contains("LIMIT: over a limit: a user has at most 16 API tokens"), "{refused}");
    let others = run(&mut world, "n1: key k8 of admin until 0 for all");
    assert!(others.contains("done"), "{others}");
    let shown = run(&mut world, "time 60\n n1: key k9 of bob until 0 for all");
    assert_eq!((shown.contains("done"), shown.matches("deleted").count()), (true, API_TOKENS / 2), "{shown}");
    let actions: Vec<String> = (0..SCOPE_BYTES).map(|number| format!("a{number}")).collect();
    let long = run(&mut world, &format!("n1: key k5 of bob until 0 for {}", actions.join(" ")));
    assert!(long.contains("LIMIT: over a limit: a scope has at most 256 bytes"), "{}", &long[long.len() - 200..]);
}

#[test]
fn a_user_too_many_is_refused() {
    let mut world = World::started();
    for number in 1..USERS {
        let user = User { created_by: String::new(), created_at: 1, created_ms: 1 };
        world.state.users.insert(format!("u{number}"), user);
    }
    world.edited();
    let refused = run(&mut world, "n1: user bob");
    assert!(refused.contains("LIMIT: over a limit: a cluster has at most 10000 users"), "{refused}");
}

/// Two tokens whose hashes begin alike would have one id, and nobody could say which is meant.
#[test]
fn no_two_tokens_have_one_id() {
    let mut world = World::started();
    let own = *world.state.api_tokens.keys().next().expect("that of the genesis");
    let mut alike = own;
    alike.0[31] += 1;
    let create = symbi_model::command::CreateApiToken {
        hash: alike,
        user: "admin".to_owned(),
        scope: symbi_model::token::Scope::All,
        expires_ms: None,
        actor: "user:admin".to_owned(),
    };
    let command = symbi_model::Command::CreateApiToken(create);
    let proposed = crate::world::Proposed { request: None, set: Some(1), shown: None, command };
    let applied = world.propose(1, None, vec![proposed]);
    assert_eq!(applied.outcomes, [symbi_model::Outcome::Refused(symbi_model::Refusal::NameTaken)]);
    assert_eq!(world.state.api_token(ApiTokenId::of(&alike)).map(|token| token.hash), Some(own));
    assert_eq!(world.state.api_token(ApiTokenId::of(&Hash([9; 32]))), None);
}

/// Which token was shown is under the origin's signature, and in the record.
#[test]
fn a_record_names_the_token_that_was_shown() {
    let mut world = World::started();
    let applied = world.line("n1: create a1 shown=k7; create a2").expect("an entry");
    let shown = |at: usize| applied.records[at].act.details.text(Field::API_TOKEN).map(str::to_owned);
    assert_eq!((shown(0), shown(1)), (Some("070707070707".to_owned()), None));
    let made = world.line("n1: user bob; key k1 of bob until 60 for agent::stop agent::create").expect("an entry");
    expect![[r#"expires_ms=1800000060000 scope=agent::create agent::stop user=bob"#]].assert_eq(
        &made.records[1].act.details.texts().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join(" "),
    );
    assert!(made.records[1].act.subject.to_string().starts_with("api-token:0101"));
}
