//! Keys against a model that knows everything: whatever is claimed, committed, aborted, stored, and lost
//! with a crash, a key is known exactly when its request is in the log and not expired.

use std::time::Duration;

use proptest::prelude::*;

use super::rig::{KEEP, Rig, at, receipt};
use crate::log::Receipt;
use crate::sinks::keys::{Claim, Claimed, Unclaimed};
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A request comes with this key, and isn't over yet.
    Come(u8),
    /// The oldest request under way commits, or aborts; its task hears of it at once or when the sink has
    /// read it.
    End { commits: bool, hears_late: bool },
    /// The sink reads so many of the commits that it hasn't read.
    Read(usize),
    /// What the sink has read is stored.
    Store,
    /// The sink fails and begins again.
    Fail,
    /// The process ends, and another one begins.
    Crash,
    /// Time goes by.
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4_u8).prop_map(Step::Come),
        6 => (prop::bool::weighted(0.8), any::<bool>())
            .prop_map(|(commits, hears_late)| Step::End { commits, hears_late }),
        4 => (1..4_usize).prop_map(Step::Read),
        3 => Just(Step::Store),
        1 => Just(Step::Fail),
        1 => Just(Step::Crash),
        1 => Just(Step::Wait),
    ]
}

/// What is known of everything.
struct Model {
    now: Timestamp,
    under_way: Vec<(u8, Claim)>,
    /// Committed, and their tasks haven't heard of it.
    unheard: Vec<(Claim, Receipt)>,
    /// Every commit, in order.
    log: Vec<(u8, Receipt)>,
    /// How many of them the sink has read, and how many are stored.
    read: usize,
    stored: usize,
}

impl Model {
    fn newest(&self, key: u8) -> Option<Receipt> {
        let of_key = self.log.iter().rev().find(|(it, _)| *it == key).map(|(_, receipt)| *receipt);
        of_key.filter(|receipt| self.now.saturating_since(receipt.arrival) < KEEP)
    }

    fn hear(&mut self) {
        for (claim, receipt) in self.unheard.drain(..) {
            claim.settle(receipt);
        }
    }

    /// Reads so many commits that the sink hasn't read.
    fn hand_over(&mut self, rig: &mut Rig, count: usize) {
        for _ in 0..count.min(self.log.len() - self.read) {
            let (key, receipt) = self.log[self.read];
            rig.hand_over(0, &key.to_string(), &receipt).unwrap();
            self.read += 1;
        }
    }
}

async fn run(steps: Vec<Step>) {
    let mut rig = Rig::new();
    let mut model = Model {
        now: at("2024-07-01"),
        under_way: Vec::new(),
        unheard: Vec::new(),
        log: Vec::new(),
        read: 0,
        stored: 0,
    };
    for step in steps {
        match step {
            Step::Come(key) => come(&rig, &mut model, key).await,
            Step::End { commits, hears_late } => {
                if model.under_way.is_empty() {
                    continue;
                }
                let (key, claim) = model.under_way.remove(0);
                if commits {
                    let receipt = receipt(key, model.now, rig.commit());
                    model.log.push((key, receipt));
                    model.unheard.push((claim, receipt));
                    if !hears_late {
                        model.hear();
                    }
                }
            }
            Step::Read(count) => model.hand_over(&mut rig, count),
            Step::Store => {
                rig.store(0).unwrap();
                model.stored = model.read;
                model.hear();
            }
            Step::Fail => {
                rig.open(0).unwrap();
                model.read = model.stored;
                // Until the sink has caught up again, keys wait.
                let behind = model.log.len() - model.read;
                model.hand_over(&mut rig, behind);
                rig.reach_end(0);
            }
            Step::Crash => {
                (model.under_way, model.unheard) = (Vec::new(), Vec::new());
                rig = rig.restart();
                model.read = model.stored;
                let behind = model.log.len() - model.read;
                model.hand_over(&mut rig, behind);
                rig.reach_end(0);
            }
            Step::Wait => model.now = model.now.saturating_add(Duration::from_hours(9)),
        }
    }
    model.hear();
    model.under_way.clear();
    for key in 0..4 {
        come(&rig, &mut model, key).await;
    }
}

/// A request comes, and is told what the model says.
async fn come(rig: &Rig, model: &mut Model, key: u8) {
    let is_unheard =
        model.unheard.iter().any(|(claim, _)| claim.key()[..] == *key.to_string().as_bytes());
    let is_under_way = is_unheard || model.under_way.iter().any(|(it, _)| *it == key);
    match (rig.claim(0, &key.to_string(), model.now).await, model.newest(key)) {
        (Err(Unclaimed::UnderWay), _) => assert!(is_under_way, "{key} is not under way"),
        (Ok(Claimed::Known(told)), Some(newest)) => assert_eq!(told, newest),
        (Ok(Claimed::New(claim)), None) => {
            assert!(!is_under_way, "{key} is under way");
            model.under_way.push((key, claim));
        }
        (told, newest) => panic!("key {key}: {told:?}, but {newest:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn a_key_is_known_exactly_when_its_request_is_in_the_log(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(run(steps));
    }
}
