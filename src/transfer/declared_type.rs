//! Which media types are taken from untrusted declarations: the `type` of a form's file, the `Content-Type` of a request
//! or of a URL's response. Whoever sends the bytes writes them.

use super::media_type::MediaType;

/// The type of bytes that say nothing of themselves.
pub const FALLBACK: &str = "application/octet-stream";

/// What no browser runs as a script or renders as a document of the bucket's origin. An allow list: new active types are
/// invented elsewhere, and every `+xml` is one.
pub fn is_inert(essence: &str) -> bool {
    const IMAGES: &[&str] = &[
        "apng",
        "avif",
        "bmp",
        "gif",
        "heic",
        "heic-sequence",
        "heif",
        "heif-sequence",
        "jp2",
        "jpeg",
        "jpg",
        "jxl",
        "pjpeg",
        "png",
        "tiff",
        "vnd.adobe.photoshop",
        "vnd.microsoft.icon",
        "webp",
        "x-adobe-dng",
        "x-canon-cr2",
        "x-icon",
        "x-png",
    ];
    const TEXTS: &[&str] = &["calendar", "css", "csv", "markdown", "plain", "tab-separated-values", "vcard", "vtt"];
    const APPLICATIONS: &[&str] = &[
        "cbor",
        "dicom",
        "font-sfnt",
        "font-woff",
        "gzip",
        "json",
        "mp4",
        "msgpack",
        "msword",
        "octet-stream",
        "ogg",
        "pdf",
        "protobuf",
        "rtf",
        "vnd.android.package-archive",
        "vnd.apple.keynote",
        "vnd.apple.mpegurl",
        "vnd.apple.numbers",
        "vnd.apple.pages",
        "vnd.ms-excel",
        "vnd.ms-fontobject",
        "vnd.ms-outlook",
        "vnd.ms-powerpoint",
        "vnd.ms-project",
        "vnd.rar",
        "vnd.sqlite3",
        "vnd.visio",
        "x-7z-compressed",
        "x-bzip2",
        "x-gzip",
        "x-ndjson",
        "x-rar-compressed",
        "x-sqlite3",
        "x-tar",
        "x-xz",
        "x-zip-compressed",
        "zip",
        "zstd",
    ];
    const OFFICE: &[&str] =
        &["vnd.oasis.opendocument.", "vnd.openxmlformats-officedocument.", "vnd.ms-excel.", "vnd.ms-word."];
    let Some((kind, subtype)) = essence.split_once('/') else { return false };
    match kind {
        "image" => IMAGES.contains(&subtype),
        "text" => TEXTS.contains(&subtype),
        "audio" | "video" | "font" | "model" => !subtype.contains("xml") && !subtype.contains("svg"),
        "application" => {
            APPLICATIONS.contains(&subtype)
                || subtype.ends_with("+json")
                || subtype.ends_with("+zip")
                || (OFFICE.iter().any(|office| subtype.starts_with(office)) && !subtype.ends_with("xml"))
        }
        _ => false,
    }
}

/// What else is known of the type of an object.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Of the key's extension.
    pub by_key: Option<&'a str>,
    /// Of the first bytes.
    pub by_bytes: Option<&'a str>,
    /// Whether they begin as HTML or XML do.
    pub is_markup: bool,
}

/// Whether an untrusted declaration is believed: it must be inert, and of the family that the key's extension and the bytes
/// allow. What is not inert must be the very type that the key names.
pub fn is_credible(declared: &str, evidence: &Evidence<'_>) -> bool {
    let Some(essence) = essence_of(declared) else { return false };
    if !is_inert(&essence) {
        return evidence.by_key == Some(essence.as_str());
    }
    let family = family_of(&essence);
    let allows = |known: &str| known == FALLBACK || family_of(known) == family || contains(known, &essence);
    let by_bytes = match evidence.by_bytes {
        Some(_) if evidence.is_markup => family == "text",
        by_bytes => by_bytes.is_none_or(allows),
    };
    by_bytes && evidence.by_key.is_none_or(allows)
}

/// Whether a file of the container `found` can be of the type `essence`.
fn contains(found: &str, essence: &str) -> bool {
    let Some((_, subtype)) = essence.split_once('/') else { return false };
    match found {
        "application/zip" => {
            const ARCHIVES: &[&str] =
                &["vnd.android.package-archive", "vnd.apple.keynote", "vnd.apple.numbers", "vnd.apple.pages"];
            ARCHIVES.contains(&subtype)
                || subtype.ends_with("+zip")
                || ["vnd.oasis.opendocument.", "vnd.openxmlformats-"].iter().any(|office| subtype.starts_with(office))
        }
        "application/x-ole-storage" => subtype == "msword" || subtype.starts_with("vnd.ms-") || subtype == "vnd.visio",
        _ => false,
    }
}

/// Types that are each other's, for browsers or for people. Documents have only themselves.
fn family_of(essence: &str) -> &str {
    match essence.split_once('/') {
        Some(("audio" | "video", _) | ("application", "mp4" | "ogg" | "vnd.apple.mpegurl")) => "media",
        Some(("application", "json" | "x-ndjson") | ("text", _)) => "text",
        Some(("application", subtype)) if subtype.ends_with("+json") => "text",
        Some(("application", "font-sfnt" | "font-woff" | "vnd.ms-fontobject") | ("font", _)) => "font",
        Some(("application", "zip" | "x-zip-compressed")) => "application/zip",
        Some((kind @ ("image" | "model"), _)) => kind,
        _ => essence,
    }
}

/// None for what is no media type, or is a list: browsers take the last type of one.
fn essence_of(declared: &str) -> Option<String> {
    let is_list = declared.split(',').skip(1).any(|item| item.contains('/'));
    MediaType::parse(declared).filter(|_| declared.len() <= 255 && !is_list).map(MediaType::essence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::content_type::{Author, choose};

    const PAGE: &[u8] = b"<!doctype html><script>alert(1)</script>";
    const XML: &[u8] = b"<?xml version=\"1.0\"?><html xmlns=\"http://www.w3.org/1999/xhtml\"><script>1</script></html>";
    const SVG: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>1</script></svg>";
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    fn stored(declared: &str, body: &[u8], key: &str) -> String {
        choose(None, Author::Sender { declared }, body, key)
    }

    /// Every active type in every spelling, for every kind of key that names none, and all kinds of bytes.
    #[test]
    fn no_declaration_makes_an_active_document_or_a_script() {
        const ACTIVE: &[&str] = &[
            "text/html",
            "text/xml",
            "text/xsl",
            "text/javascript",
            "text/ecmascript",
            "text/jscript",
            "text/x-component",
            "text/vbscript",
            "text/cache-manifest",
            "application/xml",
            "application/xhtml+xml",
            "application/xslt+xml",
            "application/rss+xml",
            "application/atom+xml",
            "application/mathml+xml",
            "application/vnd.mozilla.xul+xml",
            "application/vnd.oasis.opendocument.text-flat-xml",
            "application/javascript",
            "application/ecmascript",
            "application/x-javascript",
            "application/wasm",
            "application/x-shockwave-flash",
            "application/x-web-app-manifest",
            "application/foo+xml",
            "image/svg+xml",
            "image/svg",
            "image/x+xml",
            "audio/x+xml",
            "video/svg+xml",
            "font/svg+xml",
            "model/x3d+xml",
            "multipart/x-mixed-replace",
            "multipart/related",
            "message/rfc822",
            "example/xml",
            "x-anything/html",
        ];
        const KEYS: &[&str] =
            &["a", "a.png", "a.jpg", "a.txt", "a.mp4", "a.bin", "a.docx", "a.pdf", "a.json", "dir.html/a", "a."];
        for active in ACTIVE {
            let spellings = [
                (*active).to_owned(),
                active.to_ascii_uppercase(),
                format!("{active}; charset=utf-8"),
                format!("{active};boundary=x"),
                format!(" {active}"),
                format!("{active} "),
                format!("text/plain;a=b,{active}"),
                format!("image/png, {active}"),
            ];
            for (declared, key) in spellings.iter().flat_map(|declared| KEYS.iter().map(move |key| (declared, *key))) {
                for body in [PAGE, XML, SVG, PNG, b"alert(1)", b""] {
                    let of_a_source = choose(None, Author::Untrusted { declared: Some(declared) }, body, key);
                    for stored in [stored(declared, body, key), of_a_source] {
                        let essence = stored.split(';').next().unwrap_or_default();
                        assert!(is_inert(essence) && !stored.contains(','), "{declared:?} under {key}: {stored}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_declaration_belongs_to_the_family_of_the_key_and_of_the_bytes() {
        for (declared, body, key, expected) in [
            ("image/webp", &b"unknown"[..], "a.png", "image/webp"),
            ("video/webm;codecs=vp9,opus", b"unknown", "a", "video/webm;codecs=vp9,opus"),
            ("image/webp", PNG, "a", "image/webp"),
            ("text/plain", PNG, "a", "image/png"),
            ("image/x-adobe-dng", PAGE, "a", FALLBACK),
            ("application/pdf", b"unknown", "a", "application/pdf"),
            ("application/pdf", PNG, "a", "image/png"),
            ("application/epub+zip", b"PK\x03\x04", "a", "application/epub+zip"),
            ("application/pdf", b"%PDF-1.7", "a", "application/pdf"),
            ("text/plain", PAGE, "a", "text/plain"),
            ("text/csv", b"a,b", "a.txt", "text/csv"),
            ("image/png", b"a,b", "a.txt", "text/plain; charset=utf-8"),
            ("audio/mp4", b"unknown", "a.mp4", "audio/mp4"),
            ("video/mp4", b"unknown", "a.pdf", "application/pdf"),
            ("application/json", b"{}", "a.json", "application/json"),
            ("application/ld+json", b"{}", "a", "application/ld+json"),
            ("application/vnd.ms-excel", b"a,b", "a.csv", "text/csv; charset=utf-8"),
            ("text/html", PAGE, "a.html", "text/html"),
            ("image/svg+xml", SVG, "a.svg", "image/svg+xml"),
            ("text/html", SVG, "a.svg", "image/svg+xml"),
            ("font/woff2", b"unknown", "a", "font/woff2"),
            ("application/octet-stream", b"unknown", "a.png", "image/png"),
        ] {
            assert_eq!(stored(declared, body, key), expected, "{declared} under {key}");
        }
    }
}
