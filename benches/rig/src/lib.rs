//! What the benchmarks stand on.
//!
//! | module or program | what it is |
//! |---|---|
//! | [`sink`], `null-sink` | an S3 server that takes everything, keeps nothing and must not be what a client waits for |
//! | [`bare`], `baseline` | bare hyper sending a ready-made request: the least that a client here can do |

// The lab's file, without all that the lab is made of: the S3 server in it takes minutes to compile.
pub mod bare;
#[path = "../../../lab/src/certificate.rs"]
pub mod certificate;
pub mod request;
pub mod sink;
