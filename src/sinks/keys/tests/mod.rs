//! Keys against a model, over failures of the store, and over what the log has lost.

mod claims;
mod model;
mod rig;
mod store;
