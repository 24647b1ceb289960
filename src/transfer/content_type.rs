//! What a file is: as given, else by its first bytes, else by its key's extension.

use mime_guess::mime;

/// The type of bytes that say nothing of themselves.
pub const FALLBACK: &str = "application/octet-stream";

/// Whose bytes they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author<'a> {
    Caller,
    /// A URL's owner, who says so of them.
    Stranger {
        declared: Option<&'a str>,
    },
}

/// Chooses the `Content-Type` to store. R2 guesses for single uploads and not for multipart; a type that is
/// always set is the same for both.
pub fn choose(given: Option<&str>, author: Author<'_>, body: &[u8], key: &str) -> String {
    if let Some(given) = given {
        return given.to_owned();
    }
    let guess = mime_guess::from_path(key).first_raw();
    let is_active = |it: &&str| ACTIVE.contains(it);
    let told = sniff(body);
    // Markup hardly says what it is of, and what came as a picture must not become a page. It has its own word for how it is
    // encoded, which ours would overrule.
    if author == Author::Caller && told.as_ref().is_some_and(is_active) && guess.as_ref().is_none_or(is_active) {
        return guess.or(told).unwrap_or(FALLBACK).to_owned();
    }
    match (told, author) {
        (Some(told), _) if !is_active(&told) => return told.to_owned(),
        (_, Author::Stranger { declared: Some(declared) }) if credible(declared) => return declared.to_owned(),
        _ => {}
    }
    let guess = guess.unwrap_or(FALLBACK);
    // Text without a charset is read by browsers as windows-1252.
    if guess.starts_with("text/") && begins_as_utf8(body) {
        return format!("{guess}; charset=utf-8");
    }
    guess.to_owned()
}

/// Whether a body that came with this type may be of it: not a page or a script under the key of a picture.
pub fn may_be_declared(declared: &str, key: &str) -> bool {
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let guess = mime_guess::from_path(key).first_raw();
    !ACTIVE.contains(&essence.as_str()) || guess.is_none_or(|guess| ACTIVE.contains(&guess))
}

/// What says so of itself.
fn sniff(body: &[u8]) -> Option<&'static str> {
    // Enough for all that `infer` knows (a tar says so at 257), but for what is an archive and has something in it.
    const HEAD_BYTES: usize = 300;
    const ZIP: &[u8] = b"PK";
    const OFFICE: &[u8] = b"\xd0\xcf\x11\xe0";
    const PDF: &str = "application/pdf";
    let is_container = body.starts_with(ZIP) || body.starts_with(OFFICE);
    let telling = if is_container { body } else { &body[..body.len().min(HEAD_BYTES)] };
    let told = infer::get(telling)?.mime_type();
    // `infer` finds it anywhere, as readers of PDFs do: a text that speaks of them would be one.
    (told != PDF || body.starts_with(b"%PDF-")).then_some(told)
}

/// A head may end in the middle of a character.
fn begins_as_utf8(head: &[u8]) -> bool {
    std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// What browsers run. A stranger's page must not become a script of the bucket's domain because of how it begins.
const ACTIVE: &[&str] = &["text/html", "text/xml", "application/xml", "image/svg+xml", "application/xhtml+xml"];

/// A stranger's word is taken for what browsers do not run, and what would not be known by its first bytes.
fn credible(declared: &str) -> bool {
    const PLAIN: &[&str] = &["text/plain", "text/csv", "text/markdown", "text/css", "application/json"];
    let Ok(parsed) = declared.parse::<mime::Mime>() else { return false };
    let media = matches!(parsed.type_(), mime::AUDIO | mime::VIDEO | mime::FONT);
    (media || PLAIN.contains(&parsed.essence_str())) && declared.len() <= 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_be_what_it_came_as_but_no_page_under_the_key_of_a_picture() {
        for (declared, key, may) in [
            ("image/webp", "a.png", true),
            ("text/html", "a.png", false),
            ("Text/HTML; charset=utf-8", "a.png", false),
            ("text/html", "a.html", true),
            ("text/html", "a", true),
            ("image/svg+xml", "a.svg", true),
        ] {
            assert_eq!(may_be_declared(declared, key), may, "{declared} {key}");
        }
    }

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    #[test]
    fn given_then_magic_then_extension_then_bytes() {
        assert_eq!(choose(Some("image/webp"), Author::Caller, PNG, "a.jpg"), "image/webp");
        assert_eq!(choose(None, Author::Caller, PNG, "a.jpg"), "image/png");
        assert_eq!(choose(None, Author::Caller, b"\xff\xd8\xff\xe0", "a"), "image/jpeg");
        assert_eq!(choose(None, Author::Caller, b"RIFF\0\0\0\0WEBPVP8 ", "a"), "image/webp");
        assert_eq!(choose(None, Author::Caller, b"hello", "a/b.txt"), "text/plain; charset=utf-8");
        const PAGE: &[u8] = b"<!doctype html><script>alert(1)</script>";
        assert_eq!(choose(None, Author::Caller, PAGE, "a.png"), "image/png", "no page for whom a picture was promised");
        assert_eq!(choose(None, Author::Caller, PAGE, "a.html"), "text/html");
        assert_eq!(choose(None, Author::Caller, PAGE, "a"), "text/html");
        assert_eq!(choose(None, Author::Caller, b"<?xml version=\"1.0\"?><svg/>", "a.svg"), "image/svg+xml");
        assert_eq!(choose(None, Author::Caller, "é".as_bytes(), "a.txt"), "text/plain; charset=utf-8");
        assert_eq!(choose(None, Author::Caller, &"é".as_bytes()[..1], "a.txt"), "text/plain; charset=utf-8", "cut");
        assert_eq!(choose(None, Author::Caller, b"\xe9 latin", "a.txt"), "text/plain");
        assert_eq!(choose(None, Author::Caller, b"{}", "a.json"), "application/json");
        assert_eq!(choose(None, Author::Caller, b"%PDF-1.7\n", "a"), "application/pdf");
        assert_eq!(choose(None, Author::Caller, b"begin it with %PDF-1.7", "a.md"), "text/markdown; charset=utf-8");
        assert_eq!(choose(None, Author::Caller, b"<svg xmlns=\"x\"/>", "a.svg"), "image/svg+xml");
        assert_eq!(choose(None, Author::Caller, b"hello", "a"), FALLBACK);
        assert_eq!(choose(None, Author::Caller, b"", ""), FALLBACK);
    }

    /// A file of `docx` names its parts one after the other; a tar has its name behind the first file's.
    #[test]
    fn what_is_in_a_container_is_looked_for_in_all_of_it() {
        let entry = |name: &str| {
            let sizes = [5_u32, 5].map(u32::to_le_bytes).concat();
            let lengths = [name.len() as u16, 0].map(u16::to_le_bytes).concat();
            [b"PK\x03\x04".as_slice(), &[0; 14], &sizes, &lengths, name.as_bytes(), &[0; 400]].concat()
        };
        let docx = ["[Content_Types].xml", "_rels/.rels", "word/document.xml", "word/styles.xml"].map(entry).concat();
        let docx_type = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        assert_eq!(choose(None, Author::Caller, &docx, "a"), docx_type);
        assert_eq!(choose(None, Author::Caller, &entry("a.txt"), "a"), "application/zip");
        let tar = [&[b'a'; 257], b"ustar\0".as_slice(), &[0; 400]].concat();
        assert_eq!(choose(None, Author::Caller, &tar, "a"), "application/x-tar");
    }

    #[test]
    fn a_stranger_is_believed_where_it_can_do_no_harm() {
        let choose =
            |declared, body: &[u8], key| choose(None, Author::Stranger { declared: Some(declared) }, body, key);
        assert_eq!(choose("image/png", PNG, "a"), "image/png");
        assert_eq!(choose("text/html", PNG, "a"), "image/png", "the bytes know better");
        assert_eq!(choose("image/png", b"<html>", "a"), FALLBACK, "the bytes do not bear it out");
        assert_eq!(choose("text/html", b"<!doctype html><html>", "a"), FALLBACK);
        assert_eq!(choose("text/html", b"<!doctype html><html>", "a.html"), "text/html; charset=utf-8", "asked for");
        assert_eq!(choose("image/svg+xml", b"<svg/>", "a"), FALLBACK);
        assert_eq!(choose("application/json", b"{}", "a"), "application/json");
        assert_eq!(choose("text/plain; charset=latin1", b"x", "a"), "text/plain; charset=latin1");
        assert_eq!(choose("no type", b"x", "a.css"), "text/css; charset=utf-8");
    }
}
