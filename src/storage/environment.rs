//! What fills in for absent options.

use crate::secret::Secret;

/// The variables that apps with this contract already have.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    pub storage_endpoint: Option<String>,
    pub storage_region: Option<String>,
    pub storage_access_key: Option<Secret<String>>,
    pub storage_secret_key: Option<Secret<String>>,
    pub storage_bucket: Option<String>,
    pub storage_domain: Option<String>,
    /// The text of the file that `NODE_EXTRA_CA_CERTS` names.
    pub extra_ca_certificates: Option<String>,
    /// The names of all variables that have a value: some may be those of other tools for what is missing here.
    pub names: Vec<String>,
}
