//! What the HTTP interface promises, besides ingestion itself: routes, methods, problems, health.

mod harness;

use harness::Daemon;

#[test]
fn an_unknown_route_is_a_problem_document() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(data.path());
    let answer = daemon.get("/no/such/route");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
}
