//! What the network is made of, shared by everything that opens a connection: names, trust, and the
//! Node names of raw faults.

pub mod content_range;
pub mod dns;
pub mod fault;
pub mod trust;
