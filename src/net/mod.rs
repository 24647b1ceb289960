//! What the network is made of, shared by everything that opens a connection: names, trust, the Node
//! names of raw faults, and what is read of responses.

pub mod codings;
pub mod content_range;
pub mod dns;
pub mod encoded_words;
pub mod headers;
pub mod interim;
pub mod limits;
pub mod node_code;
pub mod public_dns;
pub mod root_certs;
