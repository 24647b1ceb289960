//! Whom TLS trusts: the system's roots, else Mozilla's as bundled (slim containers have none), plus what
//! the caller adds.

use std::sync::{Arc, LazyLock};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Certificates that could not be read; the caller knows which option they came from.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TrustError(&'static str);

/// The system's roots, as they are when TLS is first spoken in this process. To read them takes milliseconds.
static SYSTEM: LazyLock<RootCertStore> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    // Roots that do not parse are somebody's leftovers in the system's folder: skipped, as OpenSSL does.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
});

#[derive(Debug, Clone, Default)]
pub struct Trust {
    extra: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// The system's roots, and these.
    ///
    /// # Errors
    /// [`TrustError`] when a PEM text holds no certificate or one that cannot be used.
    pub fn with(extra_pem: &[String]) -> Result<Self, TrustError> {
        let mut extra = Vec::new();
        for pem in extra_pem {
            extra.extend(read_pem(pem)?);
        }
        add(&mut RootCertStore::empty(), &extra)?;
        Ok(Self { extra })
    }

    /// What can be used of a PEM text, and nothing else of it.
    pub fn of_what_is_sound(pem: &str) -> Self {
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok);
        let is_sound = |it: &CertificateDer<'static>| RootCertStore::empty().add(it.clone()).is_ok();
        Self { extra: certificates.filter(is_sound).collect() }
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.extra.extend(other.extra);
        self
    }

    /// Settings for whoever speaks TLS, made on a thread that may wait for files.
    ///
    /// # Errors
    /// None that [`Self::with`] would not have reported.
    pub async fn client_config(&self) -> Result<ClientConfig, TrustError> {
        let trust = self.clone();
        let made = tokio::task::spawn_blocking(move || {
            let mut roots = SYSTEM.clone();
            add(&mut roots, &trust.extra)?;
            client_config(roots)
        });
        made.await.map_err(|_| TrustError("the system's certificates could not be read"))?
    }
}

/// Settings for whoever does not.
///
/// # Errors
/// None.
pub fn without_tls() -> Result<ClientConfig, TrustError> {
    client_config(RootCertStore::empty())
}

/// TLS 1.2 and 1.3, HTTP/1.1 only: R2's S3 endpoint offers nothing else, and one connection for each upload keeps one
/// slow upload from holding up the others.
fn client_config(roots: RootCertStore) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| TrustError("no usable TLS version"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn add(roots: &mut RootCertStore, certificates: &[CertificateDer<'static>]) -> Result<(), TrustError> {
    for certificate in certificates {
        roots.add(certificate.clone()).map_err(|_| TrustError("a certificate in it cannot be used"))?;
    }
    Ok(())
}

fn read_pem(pem: &str) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TrustError("it is not PEM text"))?;
    if certificates.is_empty() {
        return Err(TrustError("it holds no certificate"));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn trusts_somebody_without_any_option() {
        assert!(Trust::default().client_config().await.is_ok() && !SYSTEM.is_empty());
    }

    #[test]
    fn refuses_text_that_holds_no_certificate() {
        assert!(Trust::with(&["hello".into()]).is_err());
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(Trust::with(&[key.into()]).is_err());
    }
}
