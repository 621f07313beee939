//! Several replicas of one server: which is used, which is left out, and which there are.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

use super::{
    super::{Condition, HttpFault, Opinion, Replicas, To, dial::Addresses},
    stage::{LIMIT, STREAM_HEAD, Upstream, post, read_request, settings, sized, soon},
};
use crate::{
    telemetry::metrics::METRICS,
    upstream::settings::{EjectionSettings, HttpSettings},
};

/// Answers with its own name.
async fn named(name: &'static str) -> Upstream {
    Upstream::play(move |mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            stream.write_all(sized(name).as_bytes()).await.unwrap();
        }
    })
    .await
}

fn settings_of(replicas: &[&Upstream]) -> HttpSettings {
    let urls: Vec<String> = replicas.iter().map(|replica| format!("http://{}/mcp", replica.address)).collect();
    HttpSettings {
        others: urls[1..].iter().map(|url| url.parse().unwrap()).collect(),
        ejection: EjectionSettings {
            failures: 2,
            time: Duration::from_secs(600),
            max_time: Duration::from_secs(600),
            max_share: 50,
        },
        ..settings(&urls[0])
    }
}

fn replicas(settings: &HttpSettings) -> Replicas {
    Replicas::new("some".into(), settings, LIMIT, METRICS.server("some")).unwrap()
}

async fn ask(replicas: &Replicas, to: To<'_>) -> Result<String, HttpFault> {
    let answer = replicas.send(post("{}"), to).await?;
    Ok(String::from_utf8(answer.body.collect(LIMIT).await?.to_vec()).unwrap())
}

#[tokio::test]
async fn calls_go_where_there_is_less_to_do() {
    let slow = Upstream::play(|mut stream, _| async move {
        read_request(&mut stream).await.unwrap();
        stream.write_all(STREAM_HEAD.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let fast = named("fast").await;
    let replicas = replicas(&settings_of(&[&slow, &fast]));
    let slow_one = replicas.pins().remove(0);
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(replicas.send(post("{}"), To::pinned(Some(&slow_one))).await.unwrap());
    }
    for _ in 0..20 {
        assert_eq!(ask(&replicas, To::ANY).await.unwrap(), "fast");
    }
    assert_eq!(replicas.status()[0].in_flight, 3);
    drop(held);
    assert_eq!(replicas.status()[0].in_flight, 0);
}

#[tokio::test]
async fn what_did_not_reach_one_replica_reaches_another_and_soon_the_first_is_left_out() {
    let (dead, alive) = (Upstream::gone().await, named("alive").await);
    let replicas = replicas(&settings_of(&[&dead, &alive]));
    for _ in 0..30 {
        assert_eq!(ask(&replicas, To::ANY).await.unwrap(), "alive");
    }
    let status = replicas.status();
    assert!(matches!(status[0].condition, Condition::Ejected(left) if left > Duration::from_secs(500)), "{status:?}");
    assert_eq!(status[1].condition, Condition::Healthy);
}

#[tokio::test]
async fn where_all_fail_they_are_called_all_the_same() {
    let (one, other) = (Upstream::gone().await, Upstream::gone().await);
    let replicas = replicas(&settings_of(&[&one, &other]));
    for pin in replicas.pins() {
        pin.looked(Opinion::Unhealthy);
    }
    for _ in 0..10 {
        let fault = ask(&replicas, To::ANY).await.unwrap_err();
        assert!(matches!(fault, HttpFault::Connect(_)), "{fault:?}");
    }
}

#[tokio::test]
async fn a_request_that_may_have_arrived_is_sent_to_nobody_else() {
    let hangs_up = Upstream::play(|mut stream: TcpStream, _| async move {
        read_request(&mut stream).await;
    })
    .await;
    let other = named("other").await;
    let replicas = replicas(&settings_of(&[&hangs_up, &other]));
    let mut faults = 0;
    for _ in 0..20 {
        match ask(&replicas, To::ANY).await {
            Ok(name) => assert_eq!(name, "other"),
            Err(fault) => {
                assert!(matches!(fault, HttpFault::Reset(_)), "{fault:?}");
                faults += 1;
            }
        }
    }
    assert!(faults <= 2, "two failures leave it out: {faults}");
    assert_eq!(hangs_up.accepted(), faults);
}

#[tokio::test]
async fn errors_of_http_leave_a_replica_out_and_a_look_at_it_counts_for_itself() {
    let ill = Upstream::answering("HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\nno").await;
    let well = named("well").await;
    let replicas = replicas(&settings_of(&[&ill, &well]));
    let ill_one = replicas.pins().remove(0);
    for _ in 0..5 {
        assert_eq!(ask(&replicas, To::look(&ill_one)).await.unwrap(), "no");
        assert_eq!(replicas.status()[0].condition, Condition::Healthy);
    }
    for _ in 0..2 {
        assert_eq!(ask(&replicas, To::pinned(Some(&ill_one))).await.unwrap(), "no");
    }
    assert!(matches!(replicas.status()[0].condition, Condition::Ejected(_)));
    for _ in 0..20 {
        assert_eq!(ask(&replicas, To::ANY).await.unwrap(), "well");
    }
}

#[tokio::test]
async fn sessions_spread_over_the_replicas_and_stay_where_they_are() {
    let (one, other) = (named("one").await, named("other").await);
    let replicas = replicas(&settings_of(&[&one, &other]));
    let mut stays = Vec::new();
    for _ in 0..10 {
        stays.push(replicas.send(post("{}"), To::SESSION).await.unwrap().from.hold());
    }
    assert_eq!(replicas.status().iter().map(|status| status.sessions).collect::<Vec<_>>(), [5, 5]);
    for stay in &stays {
        let expected = if stay.pin() == &replicas.pins()[0] { "one" } else { "other" };
        assert_eq!(ask(&replicas, To::pinned(Some(stay.pin()))).await.unwrap(), expected);
    }
    drop(stays);
    assert_eq!(replicas.status()[0].sessions, 0);
}

/// Where the name leads now.
static LEADS_TO: Mutex<Vec<SocketAddr>> = Mutex::new(Vec::new());
static FAILS: AtomicBool = AtomicBool::new(false);

fn look_up(_: &str, _: u16) -> Addresses<'_> {
    Box::pin(async {
        match FAILS.load(Ordering::SeqCst) {
            true => Err(std::io::ErrorKind::Other.into()),
            false => Ok(LEADS_TO.lock().unwrap().clone()),
        }
    })
}

#[tokio::test]
async fn a_name_leads_to_replicas_that_come_and_go_and_those_that_go_end_what_they_began() {
    let (one, other) = (named("one").await, named("other").await);
    let by_name = HttpSettings { resolve: Some(Duration::from_secs(1)), ..settings("http://up.example:80/mcp") };
    let replicas = replicas(&by_name).looking_up(look_up);
    *LEADS_TO.lock().unwrap() = vec![one.address];
    assert_eq!(ask(&replicas, To::SESSION).await.unwrap(), "one");
    let stay = replicas.pins().remove(0).hold();

    *LEADS_TO.lock().unwrap() = vec![other.address];
    replicas.refresh().await;
    for _ in 0..5 {
        assert_eq!(ask(&replicas, To::ANY).await.unwrap(), "other");
    }
    let conditions: Vec<Condition> = replicas.status().iter().map(|status| status.condition).collect();
    assert_eq!(conditions, [Condition::Healthy, Condition::Leaving]);
    assert_eq!(ask(&replicas, To::pinned(Some(stay.pin()))).await.unwrap(), "one", "its session goes on");
    replicas.tidy();
    assert_eq!(replicas.status().len(), 2, "somebody needs it");

    // A name that cannot be looked up leads where it led.
    FAILS.store(true, Ordering::SeqCst);
    replicas.refresh().await;
    assert_eq!(ask(&replicas, To::ANY).await.unwrap(), "other");
    FAILS.store(false, Ordering::SeqCst);

    // One that comes back is the one that it was.
    *LEADS_TO.lock().unwrap() = vec![other.address, one.address, one.address];
    replicas.refresh().await;
    assert_eq!(replicas.status().len(), 2);
    assert!(replicas.pins().contains(stay.pin()));
    *LEADS_TO.lock().unwrap() = vec![other.address];
    replicas.refresh().await;

    let pin = stay.pin().clone();
    drop(stay);
    replicas.tidy();
    assert_eq!(replicas.status().len(), 1);
    assert!(matches!(ask(&replicas, To::pinned(Some(&pin))).await, Err(HttpFault::Left)), "nobody needed it any more");
}

static CROWD: Mutex<(usize, Option<SocketAddr>)> = Mutex::new((0, None));

#[tokio::test]
async fn a_crowd_of_first_calls_looks_up_once_and_all_are_answered() {
    let one = named("one").await;
    let by_name = HttpSettings { resolve: Some(Duration::from_secs(1)), ..settings("http://crowd.example:80/mcp") };
    CROWD.lock().unwrap().1 = Some(one.address);
    let replicas = Arc::new(replicas(&by_name).looking_up(|_, _| {
        let mut crowd = CROWD.lock().unwrap();
        crowd.0 += 1;
        let found = crowd.1.into_iter().collect();
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(found)
        })
    }));
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let replicas = replicas.clone();
        calls.spawn(async move { ask(&replicas, To::ANY).await.unwrap() });
    }
    while let Some(answer) = soon(calls.join_next()).await {
        assert_eq!(answer.unwrap(), "one");
    }
    assert_eq!(CROWD.lock().unwrap().0, 1);
}

#[tokio::test]
async fn an_answer_that_does_not_begin_in_time_is_given_up_and_was_perhaps_executed() {
    let hangs = Upstream::play(|mut stream, _| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let settings = HttpSettings { first_byte_timeout: Some(Duration::from_millis(20)), ..settings_of(&[&hangs]) };
    let fault = soon(ask(&replicas(&settings), To::ANY)).await.unwrap_err();
    assert!(matches!(fault, HttpFault::Silent) && !fault.never_reached_upstream(), "{fault:?}");
}
