//! Bare hyper sending a ready-made request: no signature, no retry, no choice.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub type Failure = Box<dyn Error + Send + Sync>;
pub type Sender = http1::SendRequest<Full<Bytes>>;

/// Where the requests go.
pub struct Peer {
    /// With its port.
    address: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Peer {
    /// `authority` is the path of the certificate to trust, where the URL is `https`.
    ///
    /// # Errors
    /// A URL that is none, a certificate that cannot be read.
    pub fn new(url: &str, authority: Option<&str>) -> Result<Self, Failure> {
        let (scheme, address) = url.split_once("://").ok_or("the URL has no scheme")?;
        let tls = if scheme == "https" {
            let host = address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned();
            Some((connector(authority.ok_or("https needs a certificate")?)?, ServerName::try_from(host)?))
        } else {
            None
        };
        Ok(Self { address: address.to_owned(), tls })
    }

    /// # Errors
    /// The network's.
    pub async fn connect(&self) -> Result<Sender, Failure> {
        let socket = TcpStream::connect(&self.address).await?;
        socket.set_nodelay(true)?;
        match &self.tls {
            None => handshake(socket).await,
            Some((tls, name)) => handshake(tls.connect(name.clone(), socket).await?).await,
        }
    }

    /// Sends `body` and waits for the whole response.
    ///
    /// # Errors
    /// The network's, or a response that is no success.
    pub async fn put(&self, sender: &mut Sender, body: Bytes) -> Result<(), Failure> {
        sender.ready().await?;
        let response = sender.send_request(self.request(body)?).await?;
        if !response.status().is_success() {
            return Err(format!("the sink responded {}", response.status()).into());
        }
        response.into_body().collect().await?;
        Ok(())
    }

    /// As large as that of a signed upload, with a signature that proves nothing.
    fn request(&self, body: Bytes) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        const ZEROES: &str = "0000000000000000000000000000000000000000000000000000000000000000";
        const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 \
            Credential=AKIDEXAMPLE/20300101/auto/s3/aws4_request, \
            SignedHeaders=content-disposition;content-type;host;x-amz-content-sha256;x-amz-date, \
            Signature=0000000000000000000000000000000000000000000000000000000000000000";
        Request::put("/null/object")
            .header("host", &self.address)
            .header("content-type", "application/octet-stream")
            .header("content-disposition", "inline")
            .header("x-amz-date", "20300101T000000Z")
            .header("x-amz-content-sha256", ZEROES)
            .header("authorization", AUTHORIZATION)
            .body(Full::new(body))
    }
}

fn connector(authority: &str) -> Result<TlsConnector, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority)?)?;
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn handshake(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sender, Failure> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
