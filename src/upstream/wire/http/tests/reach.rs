//! A name that changes its mind between two look-ups.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::net::TcpListener;

use super::{
    super::{
        HttpFault,
        dial::{Addresses, Dialer},
        origin::Origin,
        reach::Reach,
    },
    stage::{see_events, settings, soon},
};
use crate::upstream::settings::EgressSettings;

/// What the name leads to, from one look-up to the next; every other one holds for ever after.
const ANSWERS: [&[[u8; 4]]; 3] = [&[[127, 0, 0, 2]], &[[127, 0, 0, 1], [127, 0, 0, 2]], &[[127, 0, 0, 1]]];

static LOOKED_UP: AtomicUsize = AtomicUsize::new(0);

fn rebinding(host: &str, port: u16) -> Addresses<'_> {
    assert_eq!(host, "keys.example");
    let answer = ANSWERS[LOOKED_UP.fetch_add(1, Ordering::SeqCst).min(2)];
    Box::pin(async move { Ok(answer.iter().map(|address| SocketAddr::from((*address, port))).collect()) })
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_the_address_that_was_judged_is_the_one_connected_to() {
    let canary = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = canary.local_addr().unwrap().port();
    let meant = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    let url = format!("http://keys.example:{port}/");
    let egress = EgressSettings { allow: vec!["127.0.0.2".parse().unwrap()] };
    let origin = Origin::parse(&url.parse().unwrap()).unwrap();
    let dialer = Dialer::new(&origin, Reach::Public(Arc::new(egress)), None, settings(&url).connect_timeout);
    let dialer = dialer.unwrap().looking_up(rebinding);
    for looked_up in [1, 2] {
        // The second time, an address that nobody allowed stands before the one that is.
        soon(dialer.dial(dialer.deadline())).await.unwrap();
        soon(meant.accept()).await.unwrap();
        assert_eq!(LOOKED_UP.load(Ordering::SeqCst), looked_up);
    }
    let refused = soon(dialer.dial(dialer.deadline())).await.err().unwrap();
    assert!(matches!(refused, HttpFault::Forbidden) && refused.never_reached_upstream(), "{refused:?}");
    see_events().await;
    let heard = tokio::time::timeout(std::time::Duration::ZERO, canary.accept()).await;
    assert!(heard.is_err(), "somebody came to the address that was not allowed");
}
