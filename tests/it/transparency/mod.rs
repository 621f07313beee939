//! A gateway with one server behind it is not there: conversations look the same with and without it, to the client and to the server.
//!
//! Conversations are generated ([`script`]), played twice by the same client and the same server ([`play`]), once directly and once through
//! the gateway, and what either side saw is compared text for text. What may differ is listed, each with its reason, in [`normal`].

mod normal;
mod play;
mod script;

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::kit::{Era, Gateway, Upstream, Wire};

const CASES: u32 = 128;

fn prove(era: Era, wire: Wire) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (direct, behind, gateway) = runtime.block_on(async {
        let (direct, behind) = (Upstream::new(era, Wire::Http).await, Upstream::new(era, wire).await);
        let gateway = Gateway::over(&behind).await;
        (direct, behind, gateway)
    });
    let settings = Config { cases: CASES, max_shrink_iters: 64, failure_persistence: None, ..Config::default() };
    let together = if wire == Wire::Http { 4 } else { 1 };
    let case = AtomicU64::new(0);
    TestRunner::new(settings)
        .run(&script::conversation(era, together), |conversation| {
            let case = case.fetch_add(1, Ordering::Relaxed);
            let without = runtime.block_on(play::play(&conversation, era, &direct.address(), &direct, case));
            let with = runtime.block_on(play::play(&conversation, era, &gateway.address, &behind, case));
            if without == with { Ok(()) } else { Err(TestCaseError::fail(difference(&without, &with))) }
        })
        .unwrap_or_else(|error| {
            panic!("{error}\n{}", gateway.log().lines().rev().take(5).collect::<Vec<_>>().join("\n"))
        });
}

/// The first lines that differ.
fn difference(without: &[String], with: &[String]) -> String {
    let lines = without.len().max(with.len());
    let at = (0..lines).find(|at| without.get(*at) != with.get(*at)).unwrap_or(lines);
    format!("line {at}\n  directly: {:?}\n  through:  {:?}", without.get(at), with.get(at))
}

#[test]
fn legacy_conversations_over_http_are_the_same_with_and_without_the_gateway() {
    prove(Era::Legacy, Wire::Http);
}

#[test]
fn legacy_conversations_over_stdio_are_the_same_with_and_without_the_gateway() {
    prove(Era::Legacy, Wire::Stdio);
}

#[test]
fn modern_conversations_over_http_are_the_same_with_and_without_the_gateway() {
    prove(Era::Modern, Wire::Http);
}

#[test]
fn modern_conversations_over_stdio_are_the_same_with_and_without_the_gateway() {
    prove(Era::Modern, Wire::Stdio);
}
