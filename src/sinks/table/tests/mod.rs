//! The table over a real log on a simulated disk, with a database in memory that fails when it is told
//! to.

mod exactly_once;
mod floor;
mod memory;
mod rig;
mod workers;
