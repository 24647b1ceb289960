//! Codings of a response's body: of its content (`Content-Encoding`) and of its transfer (`Transfer-Encoding`).

use http::header::{CONTENT_ENCODING, HeaderMap, HeaderName, TRANSFER_ENCODING};

use super::headers::decode;

/// The content coding of a response, if it has one: what the header says, in lower case. Values that encode nothing count as
/// none; people and upload tools store objects with such.
pub fn content_coding(headers: &HeaderMap) -> Option<String> {
    codings(headers, CONTENT_ENCODING, encodes_nothing)
}

/// The transfer coding of a response besides `chunked`, which HTTP clients decode. No request of ours allows another
/// (RFC 9112, 7.4), and what it encodes would be taken for the content.
pub fn transfer_coding(headers: &HeaderMap) -> Option<String> {
    codings(headers, TRANSFER_ENCODING, |name| matches!(name, "" | "chunked" | "identity"))
}

/// All of them, of all fields of the name: a proxy adds its own in another one.
fn codings(headers: &HeaderMap, field: HeaderName, is_none: impl Fn(&str) -> bool) -> Option<String> {
    let values: Vec<String> = headers.get_all(field).iter().map(decode).collect();
    real(&values.join(","), is_none)
}

fn real(value: &str, is_none: impl Fn(&str) -> bool) -> Option<String> {
    let names = value.split(',').map(|name| name.trim().to_lowercase());
    let real: Vec<String> = names.filter(|name| !is_none(name)).collect();
    if real.is_empty() { None } else { Some(real.join(", ")) }
}

/// The content coding that a `Content-Encoding` of a request says, if it is one.
pub fn of_value(value: &str) -> Option<String> {
    real(value, encodes_nothing)
}

/// Whether clients of HTTP decode what [`of_value`] gives: the codings of IANA's registry that are in use.
pub fn is_decodable(codings: &str) -> bool {
    const IN_USE: &[&str] = &["gzip", "x-gzip", "br", "deflate", "zstd", "compress", "x-compress"];
    codings.split(", ").all(|name| IN_USE.contains(&name))
}

/// Whether a value of `Content-Encoding` is no coding at all. Browsers take what they do not know for none; here a name that
/// may be a coding is one, so that its bytes are never taken for others.
fn encodes_nothing(name: &str) -> bool {
    const NONE: &[&str] = &["", "identity", "none", "null", "undefined", "raw", "plain", "text"];
    // Of the transfer: aws-chunked frames what is sent to S3, which some servers then store as the object's.
    const OF_TRANSFER: &[&str] = &["aws-chunked", "chunked"];
    // Of MIME's Content-Transfer-Encoding; upload tools set base64 on bytes that they have decoded already.
    const OF_MIME: &[&str] = &["7bit", "8bit", "binary", "base64", "quoted-printable"];
    // Character sets, which belong into Content-Type.
    const CHARSETS: &[&str] =
        &["utf8", "ascii", "us-ascii", "latin1", "gbk", "gb2312", "gb18030", "big5", "shift_jis", "euc-kr", "euc-jp"];
    const OF_CHARSETS: &[&str] = &["utf-", "iso-8859-", "windows-125"];
    [NONE, OF_TRANSFER, OF_MIME, CHARSETS].iter().any(|names| names.contains(&name))
        || OF_CHARSETS.iter().any(|prefix| name.starts_with(prefix))
        // A media type.
        || name.contains('/')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(field: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(field.clone(), HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        headers
    }

    #[test]
    fn values_that_encode_nothing_are_no_coding() {
        for values in [
            &[][..],
            &[""],
            &["identity"],
            &["None"],
            &["UTF-8"],
            &["8bit, binary"],
            &["aws-chunked,"],
            &["base64", "iso-8859-1"],
            &["image/png"],
        ] {
            assert_eq!(content_coding(&headers(CONTENT_ENCODING, values)), None, "{values:?}");
        }
    }

    #[test]
    fn every_other_value_is_a_coding_wherever_it_stands() {
        for (values, coding) in [
            (&["gzip"][..], "gzip"),
            (&[" X-GZIP "], "x-gzip"),
            (&["deflate"], "deflate"),
            (&["zstd"], "zstd"),
            (&["compress"], "compress"),
            (&["identity", "gzip"], "gzip"),
            (&["aws-chunked, br"], "br"),
            (&["gzip, gzip"], "gzip, gzip"),
            (&["utf-8", "none", "unheard-of"], "unheard-of"),
            (&["é"], "é"),
        ] {
            assert_eq!(content_coding(&headers(CONTENT_ENCODING, values)).as_deref(), Some(coding), "{values:?}");
        }
    }

    #[test]
    fn a_coding_that_no_client_decodes_is_known_as_such() {
        for (value, coding, decodable) in [
            (" GZIP ", Some("gzip"), true),
            ("aws-chunked,gzip", Some("gzip"), true),
            ("gzip, br", Some("gzip, br"), true),
            ("gzip, rot13", Some("gzip, rot13"), false),
            ("gzip\r\nx: y", Some("gzip\r\nx: y"), false),
            ("UTF-8", None, true),
        ] {
            assert_eq!(of_value(value).as_deref(), coding, "{value:?}");
            assert_eq!(coding.is_none_or(is_decodable), decodable, "{value:?}");
        }
    }

    #[test]
    fn only_chunked_is_decoded_by_clients() {
        for (values, coding) in [
            (&[][..], None),
            (&["chunked"], None),
            (&["Chunked"], None),
            (&["gzip, chunked"], Some("gzip")),
            (&["gzip", "chunked"], Some("gzip")),
            (&["deflate"], Some("deflate")),
        ] {
            assert_eq!(transfer_coding(&headers(TRANSFER_ENCODING, values)).as_deref(), coding, "{values:?}");
        }
    }
}
