use super::*;
use crate::telemetry::label::{Era, ListSource, Method, Outcome, UpstreamState};

#[test]
fn a_series_appears_with_its_first_call_and_counts() {
    let metrics = Metrics::new();
    assert!(!metrics.encode().contains("myelin_requests_total{"));
    metrics.requests.count(Era::Legacy, Method::ToolsCall, Outcome::ToolError);
    metrics.requests.count(Era::Legacy, Method::ToolsCall, Outcome::ToolError);
    let line = "myelin_requests_total{era=\"legacy\",method=\"tools/call\",outcome=\"tool_error\"} 2\n";
    assert!(metrics.encode().contains(line), "{}", metrics.encode());
}

#[test]
fn names_units_and_the_end_follow_openmetrics() {
    let metrics = Metrics::new();
    metrics.bytes.of(Direction::In).inc_by(42);
    metrics.gateway_time.observe(0.00004);
    let text = metrics.encode();
    assert!(text.contains("# TYPE myelin_http_bytes counter\n# UNIT myelin_http_bytes bytes\n"), "{text}");
    assert!(text.contains("myelin_http_bytes_total{direction=\"in\"} 42\n"));
    assert!(text.contains("myelin_gateway_time_seconds_bucket{le=\"0.00005\"} 1\n"));
    assert!(text.contains(&format!("myelin_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"))));
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_servers_series_vanish_with_its_last_handle() {
    let metrics = Metrics::new();
    let (old, new) = (metrics.server("files"), metrics.server("files"));
    old.restarts().inc();
    old.state(UpstreamState::Ready);
    old.list(ListSource::Hit);
    drop(old);
    let text = metrics.encode();
    assert!(text.contains("myelin_upstream_restarts_total{server=\"files\"} 1\n"), "{text}");
    assert!(text.contains("myelin_upstream_state{server=\"files\",state=\"ready\"} 1\n"), "{text}");
    assert!(text.contains("myelin_upstream_state{server=\"files\",state=\"idle\"} 0\n"), "{text}");
    drop(new);
    assert!(!metrics.encode().contains("\"files\""));
}

#[test]
fn what_is_in_use_is_counted_until_it_is_dropped() {
    let gauge = Gauge::default();
    let used = InUse::of(&gauge);
    assert_eq!(gauge.get(), 1);
    drop(used);
    assert_eq!(gauge.get(), 0);
}
