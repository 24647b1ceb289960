//! AWS Signature Version 4, in a request's headers or in a URL's query.
//!
//! By AWS's "Create a signed AWS API request" with the rules of S3: the path encoded once and not normalized, the
//! payload's hash in `x-amz-content-sha256`. The signing key of the day is kept. Tests compare the signatures with those of
//! AWS's own signer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use percent_encoding::utf8_percent_encode;
use ring::hmac;

use crate::secret::Secret;
use crate::store::digest::{hex, hex_sha256};
use crate::store::uri_encoding::QUERY;

/// For `x-amz-content-sha256` where TLS keeps the body whole and something else proves that it arrived.
pub(super) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

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
    today: Mutex<Option<Arc<SigningKey>>>,
}

/// Good for one day in one region.
#[derive(Debug)]
struct SigningKey {
    /// Begins with the day, `YYYYMMDD`.
    scope: String,
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

        let names = names_of(&headers);
        let key = self.key_of(&date[..8]);
        let signature = signature(target, &headers, &names, &date, &key);
        let mut authorization = String::with_capacity(512);
        let access_key = self.access_key.expose();
        push_all(&mut authorization, &[ALGORITHM, " Credential=", access_key, "/", &key.scope]);
        push_all(&mut authorization, &[", SignedHeaders=", &names, ", Signature=", &signature]);

        let mut signed = HeaderMap::with_capacity(headers.len() + 2);
        for (name, value) in headers {
            signed.append(name, value);
        }
        signed.insert(AUTHORIZATION, sensitive(HeaderValue::from_maybe_shared(Bytes::from(authorization))?));
        Ok(signed)
    }

    /// The query of a URL that stands for the signed request: whoever has it may send the request, with these headers,
    /// until it expires. `query` is what the request has besides, in any order.
    pub(super) fn presign(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, Option<&str>)],
        headers: &[(HeaderName, HeaderValue)],
        host: &HeaderValue,
        (now, expires_in): (SystemTime, Duration),
    ) -> String {
        let date = iso8601(now);
        let key = self.key_of(&date[..8]);
        let mut headers = headers.to_vec();
        headers.push((HOST, host.clone()));
        headers.sort_unstable_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        let names = names_of(&headers);
        let credential = [self.access_key.expose(), "/", &key.scope].concat();
        let expires_in = expires_in.as_secs().to_string();
        let token = self.session_token.as_ref().and_then(|token| token.to_str().ok());
        let mut pairs = query.to_vec();
        pairs.extend([
            ("X-Amz-Algorithm", Some(ALGORITHM)),
            ("X-Amz-Credential", Some(&*credential)),
            ("X-Amz-Date", Some(&*date)),
            ("X-Amz-Expires", Some(&*expires_in)),
            ("X-Amz-Security-Token", token),
            ("X-Amz-SignedHeaders", Some(&*names)),
        ]);
        let query = query_of(&pairs);
        let target = Target { method, path, query: &query, payload: UNSIGNED_PAYLOAD };
        let signature = signature(target, &headers, &names, &date, &key);
        [&query, "&X-Amz-Signature=", &signature].concat()
    }

    fn key_of(&self, day: &str) -> Arc<SigningKey> {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        match &*today {
            Some(kept) if kept.scope.starts_with(day) => Arc::clone(kept),
            _ => {
                let secret = format!("AWS4{}", self.secret_key.expose());
                let steps = [day, &self.region, "s3", "aws4_request"];
                let key = steps.iter().fold(hmac_key(secret.as_bytes()), |key, step| {
                    hmac_key(hmac::sign(&key, step.as_bytes()).as_ref())
                });
                let scope = format!("{day}/{}/s3/aws4_request", self.region);
                Arc::clone(today.insert(Arc::new(SigningKey { scope, key })))
            }
        }
    }
}

/// A query as it is signed and sent: escaped, in the order of the names. What has no value is left out.
pub(super) fn query_of(pairs: &[(&str, Option<&str>)]) -> String {
    let escape = |text| utf8_percent_encode(text, QUERY).to_string();
    let present = pairs.iter().filter_map(|&(name, value)| Some((escape(name), escape(value?))));
    let mut present: Vec<(String, String)> = present.collect();
    present.sort_unstable();
    let pairs: Vec<String> = present.into_iter().map(|(name, value)| [&*name, "=", &*value].concat()).collect();
    pairs.join("&")
}

/// The names of headers, which are in the order of their names.
fn names_of(headers: &[(HeaderName, HeaderValue)]) -> String {
    let mut names = String::with_capacity(256);
    for (name, _) in headers {
        let separator = if names.is_empty() { "" } else { ";" };
        push_all(&mut names, &[separator, name.as_str()]);
    }
    names
}

fn signature(
    Target { method, path, query, payload }: Target<'_>,
    headers: &[(HeaderName, HeaderValue)],
    names: &str,
    date: &str,
    SigningKey { scope, key }: &SigningKey,
) -> String {
    let mut request = Vec::with_capacity(1024);
    push_bytes(&mut request, &[method, "\n", path, "\n", query, "\n"]);
    for (name, value) in headers {
        push_bytes(&mut request, &[name.as_str(), ":"]);
        push_folded(&mut request, value.as_bytes());
        request.push(b'\n');
    }
    push_bytes(&mut request, &["\n", names, "\n", payload]);
    let mut to_sign = String::with_capacity(256);
    push_all(&mut to_sign, &[ALGORITHM, "\n", date, "\n", scope, "\n", &hex_sha256(&request)]);
    hex(hmac::sign(key, to_sign.as_bytes()).as_ref())
}

fn hmac_key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// A `format!` that costs a copy.
fn push_all(out: &mut String, pieces: &[&str]) {
    out.extend(pieces.iter().copied());
}

fn push_bytes(out: &mut Vec<u8>, pieces: &[&str]) {
    for piece in pieces {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// Without spaces at the ends, and with one where there are several.
fn push_folded(out: &mut Vec<u8>, value: &[u8]) {
    if !value.contains(&b' ') {
        out.extend_from_slice(value);
        return;
    }
    let words = value.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// `YYYYMMDD'T'HHMMSS'Z'`.
fn iso8601(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let mut text = String::with_capacity(16);
    let of_two_digits =
        [(year / 100, ""), (year % 100, ""), (month, ""), (day, "T"), (hour, ""), (minute, ""), (second, "Z")];
    for (number, behind) in of_two_digits {
        text.extend([number / 10, number].map(|digit| char::from(b'0' + (digit % 10) as u8)));
        text.push_str(behind);
    }
    text
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

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use aws_sigv4::http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    };
    use aws_sigv4::sign::v4;

    use super::*;
    use crate::store::uri_encoding::PATH;

    /// Numbers that are the same in every run.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 16).expect("48 bits") % sides
        }

        fn text(&mut self, alphabet: &str, longest: usize) -> String {
            let letters: Vec<char> = alphabet.chars().collect();
            (0..=self.roll(longest)).map(|_| letters[self.roll(letters.len())]).collect()
        }
    }

    /// Everything that AWS's own signer adds to the same request, in the order of the names.
    fn by_aws(
        signer: &Signer,
        target: Target<'_>,
        host: &str,
        given: &[(HeaderName, HeaderValue)],
        now: SystemTime,
    ) -> Vec<(String, String)> {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let token = signer.session_token.as_ref().map(|token| token.to_str().expect("text").to_owned());
        let credentials =
            Credentials::new(signer.access_key.expose(), signer.secret_key.expose(), token, None, "test").into();
        let parameters = v4::SigningParams::builder()
            .identity(&credentials)
            .region(&signer.region)
            .name("s3")
            .time(now)
            .settings(settings)
            .build()
            .expect("complete")
            .into();
        let uri = format!("https://{host}{}?{}", target.path, target.query);
        let headers = given.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text")));
        let body = match target.payload {
            UNSIGNED_PAYLOAD => SignableBody::UnsignedPayload,
            hash => SignableBody::Precomputed(hash.to_owned()),
        };
        let request = SignableRequest::new(target.method, uri, headers, body).expect("a request");
        let (instructions, _) = sign(request, &parameters).expect("signed").into_parts();
        let mut added: Vec<_> =
            instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        added.sort();
        added
    }

    #[test]
    fn signs_as_aws_does() {
        const NAMES: &[&str] = &[
            "cache-control",
            "content-disposition",
            "content-length",
            "content-type",
            "expires",
            "if-match",
            "x-amz-meta-a",
            "x-amz-meta-a-b",
            "x-amz-meta-a.b",
            "x-amz-meta-_",
            "x-amz-meta-zz",
            "x-amz-storage-class",
        ];
        let mut dice = Dice(0x2545_f491_4f6c_dd1d);
        for round in 0..500 {
            let token = (round % 3 == 0).then(|| Secret::new(dice.text("abcXYZ019+/=", 200)));
            let signer = Signer::new(
                Secret::new(dice.text("ABCDEF0123456789", 31)),
                Secret::new(dice.text("abcXYZ019+/=", 63)),
                token.as_ref(),
                ["auto", "us-east-1", "weur"][dice.roll(3)].to_owned(),
            );
            let signer = signer.expect("sound");
            let key = dice.text("abz019-._~!*'()&=+$,:;?@ #%/[]{}|^`\"<>é€😀", 40);
            let path = format!("/pictures/{}", utf8_percent_encode(&key, PATH));
            let query = match dice.roll(3) {
                0 => "x-id=PutObject".to_owned(),
                1 => String::new(),
                _ => {
                    let id = dice.text("aZ09+/=~-._é ", 60);
                    format!("partNumber={round}&uploadId={}&x-id=UploadPart", utf8_percent_encode(&id, QUERY))
                }
            };
            let hash = hex_sha256(key.as_bytes());
            let payload = if dice.roll(2) == 0 { UNSIGNED_PAYLOAD } else { &hash };
            let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
            for name in NAMES {
                if dice.roll(2) == 0 {
                    let value = dice.text("aZ09;=\"/, -_()?", 30);
                    headers.push((HeaderName::from_static(name), HeaderValue::from_str(&value).expect("a value")));
                }
            }
            let host = ["localhost:9000", "example.r2.cloudflarestorage.com", "[::1]:443"][dice.roll(2)];
            let now = UNIX_EPOCH + Duration::from_secs(dice.roll(4_000_000_000) as u64);
            let target = Target { method: "PUT", path: &path, query: &query, payload };

            let expected = by_aws(&signer, target, host, &headers, now);
            let host = HeaderValue::from_str(host).expect("a host");
            // Twice: with a key that is new, and with the one that is kept.
            for _ in 0..2 {
                let signed = signer.sign(target, headers.clone(), &host, now).expect("signed");
                for (name, value) in &expected {
                    assert_eq!(signed[name.as_str()], value.as_str(), "{name} of {path}?{query}");
                }
                assert_eq!(signed.len(), headers.len() + expected.len() + 1, "and the host");
            }
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "19700101T000000Z"),
            (951_827_696, "20000229T123456Z"),
            (1_709_251_199, "20240229T235959Z"),
            (1_709_251_200, "20240301T000000Z"),
            (4_102_444_799, "20991231T235959Z"),
        ] {
            assert_eq!(iso8601(UNIX_EPOCH + Duration::from_secs(seconds)), date);
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let token = secret("CANARYTOKEN");
        let signer = Signer::new(secret("AK"), secret("CANARYSECRET"), Some(&token), "auto".into()).expect("sound");
        let target = Target { method: "PUT", path: "/a/b", query: "", payload: UNSIGNED_PAYLOAD };
        let host = HeaderValue::from_static("localhost");
        let headers = signer.sign(target, Vec::new(), &host, SystemTime::now()).expect("signed");
        let printed = format!("{signer:?} {headers:?}");
        assert!(!printed.contains("CANARY") && !printed.contains("Signature="), "{printed}");
    }
}
