//! Keys that this build understands but can't honour yet.
//!
//! They are checked like all others, so that a file that is right stays right. One that says who may
//! send and read is refused: going on without it would be less safe than what was asked for. The
//! others are told at start.

use super::error::ConfigError;
use super::settings::Settings;

/// Keys that are harmless to go on without.
const WITHOUT_EFFECT: [&str; 1] = ["idempotency.keep"];

/// Refuses keys that say who may send and read. Going on without them would let everybody.
pub(super) fn refuse(settings: &Settings) -> Result<(), ConfigError> {
    let everybody = "everybody who reaches the port could send and read";
    let plain = "everything would be sent without encryption";
    for (key, without) in [("tls.cert", plain), ("tls.key", plain), ("tls.client_ca", everybody)] {
        if settings.written(key).is_some() {
            return Err(settings.unsupported(key, without));
        }
    }
    Ok(())
}

/// A sentence for each key that is set and has no effect.
pub(super) fn without_effect(settings: &Settings) -> Vec<String> {
    let set = WITHOUT_EFFECT.into_iter().filter_map(|key| Some((key, settings.written(key)?)));
    set.map(|(key, setting)| format!("{}: `{key}` has no effect in this build yet", setting.origin))
        .collect()
}
