//! `limits.rate`: requests a second with one token.

use std::time::Duration;

use crate::rig::{Rig, get, problem};

#[test]
fn a_token_that_sends_too_fast_waits_and_the_others_do_not() {
    let rig = Rig::new();
    let [fast, other] = [(); 2].map(|()| rig.token("read", "*"));
    let daemon = rig.daemon(&["--limits-rate", "5"]);
    let answers: Vec<_> = (0..50).map(|_| get(&daemon, &fast, "/v1/streams")).collect();
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((5..45).contains(&passed), "{passed}");
    let refused = answers.iter().find(|answer| answer.status != 200).unwrap();
    let detail = problem(refused, 429);
    assert!(detail.contains("5 requests a second, which is `limits.rate`"), "{detail}");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(get(&daemon, &other, "/v1/streams").status, 200);
    assert_eq!(daemon.get("/health").status, 200);

    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(get(&daemon, &fast, "/v1/streams").status, 200);
    let metrics = get(&daemon, &other, "/metrics").text();
    let hits =
        metrics.lines().find(|line| line.starts_with("windrow_limit_hits_total{limit=\"rate\"}"));
    assert_eq!(hits.unwrap().rsplit(' ').next().unwrap(), (50 - passed).to_string());
}
