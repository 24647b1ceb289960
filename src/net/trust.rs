//! Whom TLS trusts: the system's roots, else Mozilla's as bundled (slim containers have none), plus what
//! the caller adds.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Certificates that could not be read; the caller knows which option they came from.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TrustError(&'static str);

/// Builds the client's TLS settings: TLS 1.2 and 1.3, HTTP/1.1 only.
///
/// HTTP/1.1 because R2's S3 endpoint offers nothing else, and one connection for each upload keeps one
/// slow upload from holding up the others.
///
/// # Errors
/// [`TrustError`] when a PEM text holds no certificate or one that cannot be read.
pub fn client_config(extra_pem: &[String]) -> Result<ClientConfig, TrustError> {
    let mut roots = RootCertStore::empty();
    // Roots that do not parse are somebody's leftovers in the system's folder: skipped, as OpenSSL does.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for pem in extra_pem {
        for certificate in read_pem(pem)? {
            roots.add(certificate).map_err(|_| TrustError("a certificate in it cannot be used"))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| TrustError("no usable TLS version"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
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

    #[test]
    fn trusts_somebody_without_any_option() {
        assert!(client_config(&[]).is_ok());
    }

    #[test]
    fn refuses_text_that_holds_no_certificate() {
        assert!(client_config(&["hello".into()]).is_err());
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(client_config(&[key.into()]).is_err());
    }
}
