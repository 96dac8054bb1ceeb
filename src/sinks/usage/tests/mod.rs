//! The sink and its reader, against counting by hand.

mod copies;
mod counts;
mod duplicates;
mod forgetting;
mod rig;
mod store;
