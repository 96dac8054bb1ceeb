//! K1, K4, K7: who gets a key.

use std::sync::Arc;

use super::rig::{KEEP, KEYS_MAX, Rig, at, receipt};
use crate::sinks::keys::{Claimed, Unclaimed};

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_tasks_with_one_key_one_gets_it() {
    let mut rig = Rig::new();
    let now = at("2024-07-01");
    let keys = Arc::clone(&rig.sides[0].keys);
    for round in 0..20 {
        let key = format!("key-{round}");
        let claims = (0..100).map(|_| {
            let (keys, key) = (Arc::clone(&keys), key.clone());
            tokio::spawn(async move { keys.claim(key.into(), now).await })
        });
        let mut new = Vec::new();
        for claim in claims.collect::<Vec<_>>() {
            match claim.await.unwrap() {
                Ok(Claimed::New(claim)) => new.push(claim),
                other => assert_eq!(other.unwrap_err(), Unclaimed::UnderWay),
            }
        }
        let [claim] = <[_; 1]>::try_from(new).unwrap();
        let receipt = receipt(1, now, rig.commit());
        claim.settle(receipt);
        assert!(matches!(rig.claim(0, &key, now).await, Ok(Claimed::Known(it)) if it == receipt));
    }
}

#[tokio::test]
async fn an_aborted_request_leaves_its_key_and_one_of_unknown_fate_does_not() {
    let rig = Rig::new();
    let now = at("2024-07-01");
    for _ in 0..3 {
        let Ok(Claimed::New(_dropped)) = rig.claim(0, "key", now).await else { panic!("new") };
        assert_eq!(rig.sides[0].keys.kept(now), 1);
    }
    assert_eq!(rig.sides[0].keys.kept(now), 0);
    let Ok(Claimed::New(claim)) = rig.claim(0, "key", now).await else { panic!("new") };
    claim.leave();
    assert_eq!(rig.claim(0, "key", now).await.unwrap_err(), Unclaimed::UnderWay);
}

#[tokio::test]
async fn a_key_is_one_of_its_stream() {
    let mut rig = Rig::new();
    let now = at("2024-07-01");
    let one = rig.send(0, "key", 1, now).await;
    let other = rig.send(1, "key", 2, now).await;
    for (side, receipt) in [(0, one), (1, other)] {
        for _ in 0..2 {
            let known = rig.claim(side, "key", now).await;
            assert!(matches!(known, Ok(Claimed::Known(it)) if it == receipt), "{side}");
            rig.hand_over(side, "key", &receipt).unwrap();
            rig.store(side).unwrap();
        }
    }
}

#[tokio::test]
async fn a_key_expires_by_arrival_to_the_nanosecond_wherever_it_is() {
    let mut rig = Rig::new();
    let first = at("2024-07-01T12:00:00Z");
    let expired = first.saturating_add(KEEP);
    let before = crate::time::Timestamp::from_nanos(expired.as_nanos() - 1);
    let old = rig.send(0, "key", 1, first).await;
    for is_stored in [false, true] {
        if is_stored {
            rig.hand_over(0, "key", &old).unwrap();
            rig.store(0).unwrap();
        }
        let known = rig.claim(0, "key", before).await;
        assert!(matches!(known, Ok(Claimed::Known(it)) if it == old), "stored: {is_stored}");
        let new = rig.claim(0, "key", expired).await;
        assert!(matches!(new, Ok(Claimed::New(_))), "stored: {is_stored}");
    }
    let new = rig.send(0, "key", 2, expired).await;
    rig.hand_over(0, "key", &new).unwrap();
    rig.store(0).unwrap();
    let known = rig.claim(0, "key", expired).await;
    assert!(matches!(known, Ok(Claimed::Known(it)) if it == new));
}

#[tokio::test]
async fn past_the_limit_new_keys_are_refused_until_old_ones_expire() {
    let mut rig = Rig::new();
    let first = at("2024-07-01");
    for n in 0..KEYS_MAX {
        let side = (n % 2) as usize;
        let receipt = rig.send(side, &format!("key-{n}"), 1, first).await;
        if n % 3 > 0 {
            rig.hand_over(side, &format!("key-{n}"), &receipt).unwrap();
        }
    }
    rig.store(0).unwrap();
    let refused = rig.claim(0, "one too many", first).await.unwrap_err();
    assert_eq!(refused, Unclaimed::TooMany { keys_max: KEYS_MAX });
    assert!(matches!(rig.claim(1, "key-1", first).await, Ok(Claimed::Known(_))));
    rig.store(1).unwrap();
    let later = first.saturating_add(KEEP * 2);
    assert!(matches!(rig.claim(0, "one too many", later).await, Ok(Claimed::New(_))));
}
