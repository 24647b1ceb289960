//! The values that a configuration lacks, reported together, with the variables of other tools that may hold them.

use crate::error::{Error, code};

/// A value that a storage cannot do without.
#[derive(Debug, Clone, Copy)]
pub(super) struct Required {
    pub(super) option: &'static str,
    pub(super) variable: &'static str,
}

pub(super) const ENDPOINT: Required = Required { option: "endpoint", variable: "STORAGE_ENDPOINT" };
pub(super) const ACCESS_KEY: Required = Required { option: "accessKey", variable: "STORAGE_ACCESS_KEY" };
pub(super) const SECRET_KEY: Required = Required { option: "secretKey", variable: "STORAGE_SECRET_KEY" };
pub(super) const BUCKET: Required = Required { option: "bucket", variable: "STORAGE_BUCKET" };

/// How the variables of other tools begin (wrangler, the AWS CLI and SDKs, MinIO, guides for R2) ...
const PREFIXES: &[&str] =
    &["R2", "S3", "AWS", "AWS_S3", "CLOUDFLARE", "CLOUDFLARE_R2", "CF", "CF_R2", "MINIO", "STORAGE"];

/// ... and how they end, for each variable of ours.
const SUFFIXES: &[(&str, &[&str])] = &[
    ("STORAGE_ENDPOINT", &["ENDPOINT", "ENDPOINT_URL", "ENDPOINT_URL_S3", "S3_ENDPOINT", "API_ENDPOINT", "URL"]),
    ("STORAGE_ACCESS_KEY", &["ACCESS_KEY", "ACCESS_KEY_ID", "ACCESSKEY", "ACCESSKEYID"]),
    ("STORAGE_SECRET_KEY", &["SECRET_KEY", "SECRET_ACCESS_KEY", "SECRET_KEY_ID", "SECRETKEY", "SECRET"]),
    ("STORAGE_BUCKET", &["BUCKET", "BUCKET_NAME", "DEFAULT_BUCKET"]),
    ("STORAGE_DOMAIN", &["PUBLIC_URL", "PUBLIC_DOMAIN", "PUBLIC_BUCKET_URL", "CUSTOM_DOMAIN"]),
];

const ACCOUNT_ID: &str = "ACCOUNT_ID";

/// `ERR_MISSING_OPTION` for all of `missing` at once; its `option` is the first of them.
///
/// `names` are those of the environment's variables: their values are not needed, and some are secret.
pub(super) fn error(missing: &[Required], names: &[String]) -> Error {
    let options = list(missing.iter().map(|required| required.option));
    let variables = list(missing.iter().map(|required| required.variable));
    let mut detail = match missing {
        [one] => format!("{options} is missing: give the option {} or set {variables}", one.option),
        _ => format!("{options} are missing: give these options or set {variables}"),
    };
    let hints: Vec<String> = names.iter().filter_map(|name| hint(name, missing, names)).collect();
    if !hints.is_empty() {
        detail.push_str(&format!("; the environment has {}", hints.join(", ")));
    }
    Error::invalid(code::MISSING_OPTION, missing.first().map_or("", |first| first.option), detail)
}

/// What to do with a variable of another tool, if it may hold what is missing.
fn hint(name: &str, missing: &[Required], names: &[String]) -> Option<String> {
    let suffixes = PREFIXES.iter().filter_map(|prefix| name.strip_prefix(prefix)?.strip_prefix('_'));
    let is_missing = |variable: &str| missing.iter().any(|required| required.variable == variable);
    for suffix in suffixes {
        if suffix == ACCOUNT_ID && is_missing(ENDPOINT.variable) {
            let endpoint = format!("https://<value of {name}>.r2.cloudflarestorage.com");
            return Some(format!("{name} (set {}={endpoint})", ENDPOINT.variable));
        }
        let known = SUFFIXES.iter().find(|(_, suffixes)| suffixes.contains(&suffix)).map(|(variable, _)| *variable);
        let is_wanted = |variable: &&str| {
            // The domain is optional, and yet whoever renames variables wants to know it as well.
            let is_absent_domain = *variable == "STORAGE_DOMAIN" && !names.iter().any(|name| name == variable);
            name != *variable && (is_missing(variable) || is_absent_domain)
        };
        if let Some(variable) = known.filter(is_wanted) {
            return Some(format!("{name} (rename it to {variable})"));
        }
    }
    None
}

/// `a`, `a and b`, `a, b and c`.
fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<&str> = items.collect();
    match items.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(missing: &[Required], names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        error(missing, &names).detail.clone()
    }

    #[test]
    fn everything_missing_is_reported_at_once() {
        assert_eq!(error(&[SECRET_KEY, BUCKET], &[]).option.as_deref(), Some("secretKey"));
        assert_eq!(detail(&[BUCKET], &[]), "bucket is missing: give the option bucket or set STORAGE_BUCKET");
        assert_eq!(
            detail(&[ENDPOINT, ACCESS_KEY, SECRET_KEY], &[]),
            "endpoint, accessKey and secretKey are missing: give these options or set \
             STORAGE_ENDPOINT, STORAGE_ACCESS_KEY and STORAGE_SECRET_KEY"
        );
    }

    #[test]
    fn variables_of_other_tools_are_named_with_the_variable_that_they_should_be() {
        for (name, missing) in [
            ("R2_ENDPOINT", ENDPOINT),
            ("S3_ENDPOINT", ENDPOINT),
            ("AWS_ENDPOINT_URL_S3", ENDPOINT),
            ("AWS_ENDPOINT_URL", ENDPOINT),
            ("R2_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("STORAGE_ACCESS_KEY_ID", ACCESS_KEY),
            ("CLOUDFLARE_R2_ACCESS_KEY_ID", ACCESS_KEY),
            ("R2_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("S3_SECRET_KEY", SECRET_KEY),
            ("R2_BUCKET_NAME", BUCKET),
            ("AWS_S3_BUCKET", BUCKET),
            ("CLOUDFLARE_R2_BUCKET", BUCKET),
        ] {
            let wanted = format!("the environment has {name} (rename it to {})", missing.variable);
            assert!(detail(&[missing], &[name]).ends_with(&wanted), "{}", detail(&[missing], &[name]));
        }
        for name in ["CLOUDFLARE_ACCOUNT_ID", "R2_ACCOUNT_ID", "CF_ACCOUNT_ID"] {
            let wanted = format!("(set STORAGE_ENDPOINT=https://<value of {name}>.r2.cloudflarestorage.com)");
            assert!(detail(&[ENDPOINT], &[name]).ends_with(&wanted));
        }
        assert!(detail(&[BUCKET], &["R2_PUBLIC_URL"]).contains("rename it to STORAGE_DOMAIN"));
    }

    #[test]
    fn variables_that_help_nothing_are_not_mentioned() {
        for name in
            ["PATH", "R2", "AWS_REGION", "STORAGE_BUCKET", "R2_ACCESS_KEY_ID", "XR2_BUCKET", "CLOUDFLARE_ACCOUNT_ID"]
        {
            assert!(!detail(&[BUCKET], &[name]).contains("environment"), "{name}");
        }
        let both = detail(&[BUCKET], &["R2_PUBLIC_URL", "STORAGE_DOMAIN"]);
        assert!(!both.contains("environment"), "{both}");
    }
}
