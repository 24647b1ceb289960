//! What a file is: as given, else by its first bytes, else by its key's extension.

use mime_guess::mime;

/// The type of bytes that say nothing of themselves.
pub const FALLBACK: &str = "application/octet-stream";

/// Chooses the `Content-Type` to store. R2 guesses for single uploads and not for multipart; a type that is
/// always set is the same for both.
pub fn choose(given: Option<&str>, body: &[u8], key: &str) -> String {
    if let Some(given) = given {
        return given.to_owned();
    }
    if let Some(kind) = infer::get(body) {
        return kind.mime_type().to_owned();
    }
    let guess = mime_guess::from_path(key).first_raw().unwrap_or(FALLBACK);
    // Text without a charset is read by browsers as windows-1252.
    match guess.parse::<mime::Mime>() {
        Ok(parsed) if parsed.type_() == mime::TEXT && std::str::from_utf8(body).is_ok() => {
            format!("{guess}; charset=utf-8")
        }
        _ => guess.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    #[test]
    fn given_then_magic_then_extension_then_bytes() {
        assert_eq!(choose(Some("image/webp"), PNG, "a.jpg"), "image/webp");
        assert_eq!(choose(None, PNG, "a.jpg"), "image/png");
        assert_eq!(choose(None, b"\xff\xd8\xff\xe0", "a"), "image/jpeg");
        assert_eq!(choose(None, b"RIFF\0\0\0\0WEBPVP8 ", "a"), "image/webp");
        assert_eq!(choose(None, b"hello", "a/b.txt"), "text/plain; charset=utf-8");
        assert_eq!(choose(None, b"{}", "a.json"), "application/json");
        assert_eq!(choose(None, b"<svg xmlns=\"x\"/>", "a.svg"), "image/svg+xml");
        assert_eq!(choose(None, b"hello", "a"), FALLBACK);
        assert_eq!(choose(None, b"", ""), FALLBACK);
    }
}
