//! The sink on a simulated disk, fed by hand.

mod crash;
mod harness;
mod model;
mod recovery;
mod windowing;
