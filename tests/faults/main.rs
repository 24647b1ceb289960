//! The core against a real S3 server, over real sockets, through a proxy that makes faults.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod budgets;
mod connections;
mod download;
mod multipart;
mod outage;
mod support;
mod upload;
