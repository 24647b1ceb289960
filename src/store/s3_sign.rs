//! AWS Signature Version 4 in a request's headers, for the requests that there are many of.
//!
//! By AWS's "Create a signed AWS API request" with the rules of S3: the path encoded once and not normalized, the
//! payload's hash in `x-amz-content-sha256`. The signing key of the day is kept. What the AWS SDK signs, it signs
//! itself; tests hold both to the same signatures.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use ring::hmac;

use super::digest::{hex, hex_sha256};
use crate::secret::Secret;

/// For `x-amz-content-sha256` where TLS keeps the body whole and something else proves that it arrived.
pub(super) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// What is escaped in a query; all but RFC 3986's unreserved characters.
pub(super) const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
pub(super) const PATH: &AsciiSet = &QUERY.remove(b'/');

static CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
static DATE: HeaderName = HeaderName::from_static("x-amz-date");
static SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What is signed besides the headers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) method: &'a str,
    /// Escaped.
    pub(super) path: &'a str,
    /// Escaped, in the order of the names.
    pub(super) query: &'a str,
    /// The payload's SHA-256 in lower-case hex, or [`UNSIGNED_PAYLOAD`].
    pub(super) payload: &'a str,
}

#[derive(Debug)]
pub(super) struct Signer {
    access_key: Secret<String>,
    secret_key: Secret<String>,
    session_token: Option<HeaderValue>,
    region: String,
    today: Mutex<Option<SigningKey>>,
}

/// Good for one day in one region.
#[derive(Debug, Clone)]
struct SigningKey {
    /// `YYYYMMDD`.
    day: String,
    key: hmac::Key,
}

impl Signer {
    /// # Errors
    /// A session token that is no header's value.
    pub(super) fn new(
        access_key: Secret<String>,
        secret_key: Secret<String>,
        session_token: Option<&Secret<String>>,
        region: String,
    ) -> Result<Self, InvalidHeaderValue> {
        let session_token = session_token.map(|token| HeaderValue::from_str(token.expose())).transpose()?;
        let session_token = session_token.map(sensitive);
        Ok(Self { access_key, secret_key, session_token, region, today: Mutex::default() })
    }

    /// Adds what the signature needs to `headers` and gives all of them, signed. The same name may stand there
    /// once.
    ///
    /// # Errors
    /// None but for a header's value that is not text.
    pub(super) fn sign(
        &self,
        target: Target<'_>,
        mut headers: Vec<(HeaderName, HeaderValue)>,
        host: &HeaderValue,
        now: SystemTime,
    ) -> Result<HeaderMap, http::Error> {
        let date = iso8601(now);
        headers.push((HOST, host.clone()));
        headers.push((CONTENT_SHA256.clone(), HeaderValue::from_str(target.payload)?));
        headers.push((DATE.clone(), HeaderValue::from_str(&date)?));
        headers.extend(self.session_token.clone().map(|token| (SECURITY_TOKEN.clone(), token)));
        headers.sort_unstable_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));

        let Target { method, path, query, payload } = target;
        let mut request = String::with_capacity(1024);
        let mut names = String::with_capacity(256);
        let _ = writeln!(request, "{method}\n{path}\n{query}");
        for (name, value) in &headers {
            let text = std::str::from_utf8(value.as_bytes()).unwrap_or_default();
            request.push_str(name.as_str());
            request.push(':');
            push_folded(&mut request, text);
            request.push('\n');
            if !names.is_empty() {
                names.push(';');
            }
            names.push_str(name.as_str());
        }
        let _ = write!(request, "\n{names}\n{payload}");

        let SigningKey { day, key } = self.key_of(&date[..8]);
        let (access_key, region) = (self.access_key.expose(), &self.region);
        let scope = format!("{day}/{region}/s3/aws4_request");
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex_sha256(request.as_bytes()));
        let signature = hex(hmac::sign(&key, to_sign.as_bytes()).as_ref());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        );

        let mut signed = HeaderMap::with_capacity(headers.len() + 2);
        signed.extend(headers);
        signed.insert(AUTHORIZATION, sensitive(HeaderValue::from_str(&authorization)?));
        Ok(signed)
    }

    fn key_of(&self, day: &str) -> SigningKey {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        match &*today {
            Some(kept) if kept.day == day => kept.clone(),
            _ => {
                let secret = format!("AWS4{}", self.secret_key.expose());
                let steps = [day, &self.region, "s3", "aws4_request"];
                let key = steps.iter().fold(hmac_key(secret.as_bytes()), |key, step| {
                    hmac_key(hmac::sign(&key, step.as_bytes()).as_ref())
                });
                today.insert(SigningKey { day: day.to_owned(), key }).clone()
            }
        }
    }
}

fn hmac_key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// Without spaces at the ends, and with one where there are several.
fn push_folded(out: &mut String, value: &str) {
    let value = value.trim_matches(' ');
    if !value.contains("  ") {
        out.push_str(value);
        return;
    }
    let mut words = value.split(' ').filter(|word| !word.is_empty());
    out.extend(words.next());
    for word in words {
        out.push(' ');
        out.push_str(word);
    }
}

/// `YYYYMMDD'T'HHMMSS'Z'`.
fn iso8601(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// The date of a day since 1970, by Howard Hinnant's `civil_from_days`: years begin in March, so that the day
/// which comes and goes is their last.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + next_year, month, day)
}
