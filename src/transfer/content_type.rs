//! What a file is: as given, else by its first bytes, else by its key's extension.

use super::containers;
use super::declared_type::{Evidence, FALLBACK, is_credible, is_inert};

/// Whose bytes they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author<'a> {
    Caller,
    /// Whoever sent a body that came with a type: a form's file, a request.
    Sender {
        declared: &'a str,
    },
    /// A URL's owner, who says so of them.
    Untrusted {
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
    let found = containers::identify(body, key).or_else(|| begins_as_svg(body).then_some("image/svg+xml"));
    let is_active = |it: &&str| !is_inert(it);
    let is_markup = found.is_some_and(|found| MARKUP.contains(&found));
    let evidence = Evidence { by_key: guess, by_bytes: found, is_markup };
    if let Author::Sender { declared } = author
        && is_credible(declared, &evidence)
    {
        return declared.to_owned();
    }
    if let Some(found) = found.filter(|found| !is_active(found)) {
        return found.to_owned();
    }
    match author {
        Author::Untrusted { declared: Some(declared) } if is_credible(declared, &evidence) => {
            return declared.to_owned();
        }
        // Markup says itself how it is encoded, and a charset of ours would overrule that. It is a page or a drawing only
        // where the key says so: bytes under a key without an extension may be anybody's.
        Author::Caller if is_markup && guess.as_ref().is_some_and(is_active) => {
            return guess.unwrap_or(FALLBACK).to_owned();
        }
        _ => {}
    }
    let guess = guess.unwrap_or(FALLBACK);
    // Text without a charset is read by browsers as windows-1252.
    if guess.starts_with("text/") && begins_as_utf8(body) {
        return format!("{guess}; charset=utf-8");
    }
    guess.to_owned()
}

/// Without an XML declaration, which is how drawings stand in pages.
fn begins_as_svg(head: &[u8]) -> bool {
    head.trim_ascii_start().get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"<svg"))
}

/// A head may end in the middle of a character.
fn begins_as_utf8(head: &[u8]) -> bool {
    std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// What the first bytes of a document say of it.
const MARKUP: &[&str] = &["text/html", "text/xml", "application/xml", "image/svg+xml", "application/xhtml+xml"];

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(choose(None, Author::Caller, PAGE, "a"), FALLBACK, "a page only where the key says so");
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
    fn all_of_a_container_is_searched() {
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
    fn an_untrusted_type_is_believed_where_it_can_do_no_harm() {
        let choose =
            |declared, body: &[u8], key| choose(None, Author::Untrusted { declared: Some(declared) }, body, key);
        assert_eq!(choose("image/png", PNG, "a"), "image/png");
        assert_eq!(choose("text/html", PNG, "a"), "image/png", "the bytes know better");
        assert_eq!(choose("image/png", b"<html>", "a"), FALLBACK, "the bytes do not bear it out");
        assert_eq!(choose("text/html", b"<!doctype html><html>", "a"), FALLBACK);
        assert_eq!(choose("text/html", b"<!doctype html><html>", "a.html"), "text/html", "asked for");
        assert_eq!(choose("image/svg+xml", b"<svg/>", "a"), FALLBACK);
        assert_eq!(choose("application/json", b"{}", "a"), "application/json");
        assert_eq!(choose("text/plain; charset=latin1", b"x", "a"), "text/plain; charset=latin1");
        assert_eq!(choose("no type", b"x", "a.css"), "text/css; charset=utf-8");
    }
}
