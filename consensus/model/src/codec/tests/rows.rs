//! The bytes of the state's rows, and of what voters sign.

use super::*;

fn agent() -> Agent {
    Agent {
        id: agent_id(),
        spec: spec().into(),
        previous: Some(Recorded { document: Document::unread(9, b"{}"), ..spec().into() }.into()),
        desired: Desired::Running,
        placement: Some(Placement {
            hold: Hold::Lost,
            ends: true,
            ..Placement::held(node(), Epoch(1), 8, Resources { memory_mb: 64, cpu_millis: 1 })
        }),
        status: Some(Status {
            state: AgentState::Ready,
            epoch: Epoch(1),
            incarnation: Incarnation(1),
            sequence: 6,
            restarts: 0,
            detail: "d".to_owned(),
            account: Account { exit: Some(Exit { code: None, signal: Some(9) }) }.document(),
        }),
        annotations: [("k".to_owned(), "v".to_owned())].into_iter().collect(),
        version: 2,
        created_at: 7,
    }
}

fn member() -> Node {
    Node {
        name: "n1".to_owned(),
        profile: profile(),
        membership: Membership::Member,
        liveness: Liveness::Up,
        token: Some(token()),
        enrolled_at: 2,
        enrolled_ms: 5,
    }
}

fn chain() -> Chain {
    let mut frontier = Frontier::default();
    (0..3_u8).for_each(|leaf| frontier.append(Hash([leaf; 32])));
    let ruling = Ruling { voters: vec![node()], next: Some(vec![NodeId([0x12; 32])]) };
    Chain { frontier, ruling, seats: vec![vec![node()]] }
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        cluster: ClusterId(Uuid::from_u128(0xc1)),
        generation: 1,
        group: GroupId(0),
        gate: 2,
        size: 300,
        root: Hash([0x33; 32]),
        head: Hash([0x44; 32]),
        index: 290,
        term: 3,
        time_ms: 5,
        state: Hash([0x55; 32]),
        voters: vec![vec![node()], vec![NodeId([0x12; 32]), NodeId([0x13; 32])]],
        next: Some(vec![NodeId([0x12; 32]), NodeId([0x13; 32])]),
        hop: Hash([0x66; 32]),
        hops: true,
    }
}

#[test]
fn what_voters_sign_keeps_its_bytes() {
    let checkpoint = checkpoint();
    let mut out = String::new();
    writeln!(out, "checkpoint: {}", hex_of(&checkpoint.signed_bytes())).expect("a string");
    writeln!(out, "digest: {}", checkpoint.digest()).expect("a string");
    writeln!(out, "claim: {}", hex_of(&checkpoint.claim().signed_bytes())).expect("a string");
    expect![[r#"
        checkpoint: 73796d62692d636865636b706f696e742d7631[00*16]c1[00*7]01[00*15]02[00*6]012c[33*32][44*32][00*6]0122[00*7]03[00*7]05[55*32][00*7]02[00*7]01[11*32][00*7]02[12*32][13*32][00*7]01[00*7]02[12*32][13*32][66*32]
        digest: 54d4e4387fe030cc350584d14604e5adcd19cf97beeda2523121302673196f39
        claim: 73796d62692d7769746e6573732d7631[00*8]01[00*6]012c54d4e4387fe030cc350584d14604e5adcd19cf97beeda2523121302673196f39
    "#]].assert_eq(&out);
}

#[test]
fn rows_of_the_state_keep_their_bytes() {
    let join = JoinToken {
        verifier: [0x33; 32],
        uses: 1,
        joins: [(node(), true)].into_iter().collect(),
        expires_ms: 9,
        revoked: false,
        user: "admin".to_owned(),
        created_at: 4,
    };
    let cluster = Cluster {
        id: ClusterId(Uuid::from_u128(0xc1)),
        name: "symbi".to_owned(),
        domain: "symbi.local".to_owned(),
        anchor: Hash([0x44; 32]),
        generation: 1,
        secret: Secret([0x5e; 32]),
    };
    let set = PolicySet {
        number: PolicyNumber(1),
        text: "permit".to_owned(),
        entities: "[]".to_owned(),
        hash: Hash([0x55; 32]),
        actor: actor(),
        created_at: 2,
        created_ms: 5,
    };
    let asker = Asker::of(Some("user:admin"), &node());
    let row = LastWrite { sequence: 1, command: Hash([0x66; 32]), outcome: Outcome::Done, asker, used_ms: 5 };
    let mut out = String::new();
    golden(&mut out, "agent", &agent());
    golden(&mut out, "node", &member());
    golden(&mut out, "join token", &join);
    golden(&mut out, "API token", &api_token());
    golden(&mut out, "user", &User { created_by: actor(), created_at: 2, created_ms: 5 });
    let mut spent = Spent::default();
    spent.add(7);
    golden(&mut out, "spent times", &spent);
    golden(&mut out, "cluster", &cluster);
    golden(&mut out, "counters", &Counters { applied_index: 1, log_time_ms: 5, ..Counters::default() });
    golden(&mut out, "policy set", &set);
    golden(&mut out, "dedup row", &row);
    golden(&mut out, "ledger", &Anchored { anchor: anchor(), index: 9, position: 1, time_ms: 5 });
    golden(&mut out, "chain", &chain());
    golden(&mut out, "checkpoint", &checkpoint());
    expect![[r#"
        agent: 0110[00*15]a10261310464656d6f80fa0001067465616d3d78010367707501fb2c0101fb09017b2276657273696f6e223a312c226e616d65223a226131222c226f776e6572223a2264656d6f222c22636f6d6d616e64223a5b22707974686f6e33222c22612e7079225d2c22656e76223a7b224b223a2256227d2c226d61785f696e5f666c69676874223a332c227265736f7572636573223a7b226d656d6f72795f6d62223a3132382c226370755f6d696c6c6973223a3235307d2c2274696572223a2270726f63657373222c2272657374617274223a226f6e2d6661696c757265222c226c6162656c73223a5b227465616d3d78225d2c2272657175697265223a5b22677075225d2c227374726174656779223a22626573742d666974222c227072696f72697479223a3330307d010261310464656d6f80fa0001067465616d3d78010367707501fb2c0109027b7d0001[11*32]01080140010101020101060001640101217b2276657273696f6e223a312c2265786974223a7b227369676e616c223a397d7d01016b01760207
        node: 01026e31000a000001fbe81c41[04*65]fb0008fbd007fb102700010001011f7b2276657273696f6e223a312c2270726f6772616d223a22302e322e30227d010001[77*6]0205
        join token: 01[33*32]0101[11*32]0109000561646d696e04
        API token: 01[77*32]03626f6201020d6167656e743a3a6372656174650b6167656e743a3a73746f7001090a757365723a61646d696e0405
        user: 010a757365723a61646d696e0205
        spent times: 01010707
        cluster: 0110[00*15]c10573796d62690b73796d62692e6c6f63616c[44*32]01[5e*32]
        counters: 01010005[00*36]
        policy set: 0101067065726d6974025b5d[55*32]0a757365723a61646d696e0205
        dedup row: 0101[66*32]0000fda1406be263da73aa05
        ledger: 01[11*32]01fb2c01[88*32][99*32][aa*32][bb*32]090105
        chain: 0103022ad82c3a51e8ed6418cb5bf267c5f9e521b99f7ab4fce657f460a8f1a3e87b2e[02*32]01[11*32]0101[12*32]0101[11*32]
        checkpoint: 0110[00*15]c1010002fb2c01[33*32][44*32]fb22010305[55*32]0201[11*32]02[12*32][13*32]0102[12*32][13*32][66*32]01
    "#]].assert_eq(&out);
}

/// Each row is written in the lowest version that can carry it, so that nothing changes on disk before a gate is opened; and one of
/// a gate that this program does not speak says so.
#[test]
fn a_row_is_of_the_lowest_version_that_carries_it() {
    assert_eq!(encode_row(&agent()), encode(&agent()), "the first version is what it always was");
    let mut counters = Counters { applied_index: 1, gate: 2, ..Counters::default() };
    assert_eq!(encode_row(&counters)[0], 1, "an open gate alone changes no row");
    counters.marks = 300;
    let bytes = encode_row(&counters);
    assert_eq!((bytes[0], &bytes[bytes.len() - 3..]), (2, &[251, 0x2c, 0x01][..]), "more stands behind it");
    assert_eq!(
        decode_row::<Counters>(&bytes, 512),
        Err(Error::Version { found: 2, reads: 1 }),
        "this program speaks gate 1 only"
    );
    let known = decode_row::<Counters>(&bytes, 512).expect_err("it is of gate 2");
    assert!(known.to_string().ends_with("it takes one that speaks gate 2"), "{known}");
    assert!(decode_row::<Agent>(&encode_row(&agent())[..20], 512).is_err());
}
