//! The S3 server: `s3s-fs` on a folder, with real signature checks; and the same folder as R2's public
//! buckets are, read without keys.

use std::fs;
use std::io;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::Options;
use crate::files::Files;

/// Who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Signed,
    /// Anyone may read; nobody may write.
    PublicReadOnly,
}

/// # Errors
/// A folder that cannot be made.
pub fn service(options: &Options, access: Access) -> io::Result<S3Service> {
    for bucket in &options.buckets {
        fs::create_dir_all(options.data.join(bucket))?;
    }
    let mut builder = S3ServiceBuilder::new(Files::new(&options.data, options.conditions)?);
    // Without it, s3s asks nobody whether an access is allowed.
    builder.set_auth(SimpleAuth::from_single(&options.access_key, options.secret_key.as_str()));
    if access == Access::PublicReadOnly {
        builder.set_access(ReadOnly);
    }
    Ok(builder.build())
}

struct ReadOnly;

#[async_trait::async_trait]
impl S3Access for ReadOnly {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        match context.s3_op().name() {
            "GetObject" | "HeadObject" => Ok(()),
            _ => Err(s3_error!(AccessDenied, "a public bucket is read only")),
        }
    }
}

pub async fn run(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let service = service.clone();
        connections.spawn(async move {
            // A connection that ends badly is the peer's affair.
            let _ =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service).await;
        });
    }
}
