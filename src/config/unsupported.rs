//! Keys that this build understands but can't honour yet.
//!
//! They are checked like all others, so that a file that is right stays right, and are told at start.

use super::settings::Settings;

/// Keys that are harmless to go on without.
const WITHOUT_EFFECT: [&str; 1] = ["idempotency.keep"];

/// A sentence for each key that is set and has no effect.
pub(super) fn without_effect(settings: &Settings) -> Vec<String> {
    let set = WITHOUT_EFFECT.into_iter().filter_map(|key| Some((key, settings.written(key)?)));
    set.map(|(key, setting)| format!("{}: `{key}` has no effect in this build yet", setting.origin))
        .collect()
}
