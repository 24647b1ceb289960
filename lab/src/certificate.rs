//! A certificate for this machine, signed by an authority of its own, both made anew at every start; and those that
//! a client must not accept.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CertificateKind {
    Expired,
    NotYetValid,
    OtherName,
    SelfSigned,
    /// Nothing; but its stapled revocation response is noise.
    JunkStaple,
}

/// The authority, and what it signed.
#[derive(Debug)]
pub struct Certificate {
    pub authority_pem: String,
    /// The server's, which is right in everything.
    right: Leaf,
    wrong: HashMap<CertificateKind, Leaf>,
}

#[derive(Debug)]
struct Leaf {
    chain: Vec<CertificateDer<'static>>,
    pem: String,
    key: KeyPair,
    staple: Vec<u8>,
}

const WRONG: [CertificateKind; 5] = [
    CertificateKind::Expired,
    CertificateKind::NotYetValid,
    CertificateKind::OtherName,
    CertificateKind::SelfSigned,
    CertificateKind::JunkStaple,
];

impl Certificate {
    /// For this machine, and for `names`.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn for_localhost(names: &[String]) -> io::Result<Self> {
        let make = || -> Result<Self, rcgen::Error> {
            let mut authority = CertificateParams::new(Vec::new())?;
            authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            // A leaf that has its authority's name would be taken for one that signed itself.
            authority.distinguished_name.push(DnType::CommonName, "local R2 authority");
            let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
            let ours = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
            let names: Vec<String> = ours.into_iter().chain(names.iter().cloned()).collect();
            let right = Leaf::signed(CertificateParams::new(names.clone())?, &authority)?;
            let wrong = WRONG.into_iter().map(|kind| Ok((kind, Leaf::wrong(kind, &names, &authority)?)));
            let wrong = wrong.collect::<Result<_, rcgen::Error>>()?;
            Ok(Self { authority_pem: authority.pem(), right, wrong })
        };
        make().map_err(io::Error::other)
    }

    /// The certificate and its key as PEM, for other servers on this machine.
    pub fn pem(&self) -> (&str, String) {
        (&self.right.pem, self.right.key.serialize_pem())
    }

    /// # Errors
    /// When rustls does not take its own kind of key.
    pub fn acceptor(&self) -> io::Result<TlsAcceptor> {
        Ok(TlsAcceptor::from(Arc::new(self.right.config()?)))
    }

    /// # Errors
    /// When rustls does not take its own kind of key.
    pub fn wrong_acceptor(&self, kind: CertificateKind) -> io::Result<TlsAcceptor> {
        let leaf = self.wrong.get(&kind).ok_or(io::ErrorKind::NotFound)?;
        Ok(TlsAcceptor::from(Arc::new(leaf.config()?)))
    }

    /// What a server says to a client's hello.
    ///
    /// # Errors
    /// When that was none.
    pub fn response_to_hello(&self, mut hello: &[u8]) -> io::Result<Vec<u8>> {
        let mut connection = rustls::ServerConnection::new(Arc::new(self.right.config()?)).map_err(io::Error::other)?;
        while !hello.is_empty() {
            connection.read_tls(&mut hello)?;
            connection.process_new_packets().map_err(io::Error::other)?;
        }
        let mut response = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut response)?;
        }
        Ok(response)
    }
}

impl Leaf {
    fn signed(params: CertificateParams, authority: &CertifiedIssuer<'_, KeyPair>) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, authority)?;
        Ok(Self { chain: vec![leaf.der().clone()], pem: leaf.pem(), key, staple: Vec::new() })
    }

    fn wrong(
        kind: CertificateKind,
        names: &[String],
        authority: &CertifiedIssuer<'_, KeyPair>,
    ) -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(names.to_vec())?;
        match kind {
            CertificateKind::Expired => params.not_after = rcgen::date_time_ymd(2001, 1, 1),
            CertificateKind::NotYetValid => params.not_before = rcgen::date_time_ymd(2999, 1, 1),
            CertificateKind::OtherName => params = CertificateParams::new(vec!["elsewhere.example".to_owned()])?,
            CertificateKind::SelfSigned => {
                let key = KeyPair::generate()?;
                let leaf = params.self_signed(&key)?;
                return Ok(Self { chain: vec![leaf.der().clone()], pem: leaf.pem(), key, staple: Vec::new() });
            }
            CertificateKind::JunkStaple => {
                return Ok(Self { staple: b"no revocation response".to_vec(), ..Self::signed(params, authority)? });
            }
        }
        Self::signed(params, authority)
    }

    fn config(&self) -> io::Result<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                let builder = builder.with_no_client_auth();
                builder.with_single_cert_with_ocsp(self.chain.clone(), key, self.staple.clone())
            })
            .map_err(io::Error::other)
    }
}
