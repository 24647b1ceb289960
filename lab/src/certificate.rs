//! A certificate for this machine, signed by an authority of its own, both made anew at every start.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

#[derive(Debug)]
pub struct Certificate {
    pub authority_pem: String,
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Certificate {
    /// # Errors
    /// When the system gives no randomness.
    pub fn for_localhost() -> io::Result<Self> {
        let make = || -> Result<Self, rcgen::Error> {
            let mut authority = CertificateParams::new(Vec::new())?;
            authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            // A leaf that has its authority's name would be taken for one that signed itself.
            authority.distinguished_name.push(DnType::CommonName, "local R2 authority");
            let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
            let key = KeyPair::generate()?;
            let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
            let leaf = CertificateParams::new(names)?.signed_by(&key, &authority)?;
            Ok(Self { authority_pem: authority.pem(), chain: vec![leaf.der().clone()], key: key.serialize_der() })
        };
        make().map_err(io::Error::other)
    }

    /// # Errors
    /// When rustls does not take its own kind of key.
    pub fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(self.chain.clone(), key))
            .map_err(io::Error::other)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
