//! The sink on a simulated disk, fed by hand.

mod afterwards;
mod crash;
mod harness;
mod listing;
mod model;
mod recovery;
mod windowing;
