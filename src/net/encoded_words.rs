//! Encoded words (RFC 2047): how headers, which carry ASCII, carry metadata in any language. R2 reads and counts it so.

use aws_smithy_types::base64;

/// Of at most 75 characters each, hence the pieces.
const WORD_BYTES: usize = 45;

/// A value as it continues the wire: as it is where it would arrive so, else as encoded words.
pub fn encode(value: &str) -> String {
    // Leading and trailing blanks would be trimmed on the way, and two in a row folded for the signature.
    let plain = value.bytes().all(|b| (0x20..0x7f).contains(&b))
        && value.trim() == value
        && !value.contains("  ")
        && !value.contains("=?");
    if plain {
        return value.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut piece = String::new();
    for c in value.chars() {
        if piece.len() + c.len_utf8() > WORD_BYTES {
            words.push(std::mem::take(&mut piece));
        }
        piece.push(c);
    }
    words.push(piece);
    let encoded = words.iter().map(|word| format!("=?UTF-8?B?{}?=", base64::encode(word)));
    encoded.collect::<Vec<_>>().join(" ")
}

/// What was meant by a value from the wire. One that is not of encoded words alone is what it says.
pub fn decode(value: &str) -> String {
    let bytes: Option<Vec<Vec<u8>>> = value.split_ascii_whitespace().map(decode_word).collect();
    let text = bytes.filter(|words| !words.is_empty()).and_then(|words| String::from_utf8(words.concat()).ok());
    text.unwrap_or_else(|| value.to_owned())
}

fn decode_word(word: &str) -> Option<Vec<u8>> {
    let mut fields = word.strip_prefix("=?")?.strip_suffix("?=")?.split('?');
    let [charset, encoding, text] = [fields.next()?, fields.next()?, fields.next()?];
    if fields.next().is_some() || !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    match encoding {
        "B" | "b" => base64::decode(text).ok(),
        "Q" | "q" => decode_quoted(text),
        _ => None,
    }
}

fn decode_quoted(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'_' => b' ',
            b'=' => {
                let mut digit = || char::from(rest.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit()? << 4 | digit()?
            }
            byte => byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let long = "Ü".repeat(200);
        for value in ["", "plain", " a", "a  b", "=?", "=?UTF-8?B?eA==?=", "日本語 😀", "a\tb", &long] {
            let sent = encode(value);
            assert_eq!(decode(&sent), value, "{sent}");
            assert!(sent.bytes().all(|b| (0x20..0x7f).contains(&b)), "{sent}");
            assert!(sent.split(' ').all(|word| word.len() <= 75), "{sent}");
        }
        assert_eq!(encode("x y; z"), "x y; z", "as it is");
    }

    #[test]
    fn what_others_encode_is_read_too() {
        for (sent, meant) in [
            ("=?utf-8?q?caf=C3=A9_au_lait?=", "café au lait"),
            ("=?UTF-8?Q?caf=c3?= =?UTF-8?B?qQ==?=", "café"),
            ("=?UTF-8?B??=", ""),
        ] {
            assert_eq!(decode(sent), meant, "{sent}");
        }
    }

    #[test]
    fn what_is_no_encoded_word_is_what_it_says() {
        for text in [
            "plain",
            "a =?UTF-8?B?eA==?=",
            "=?ISO-8859-1?Q?caf=E9?=",
            "=?UTF-8?X?eA==?=",
            "=?UTF-8?B?eA=?=",
            "=?UTF-8?B?/w==?=",
            "=?UTF-8?Q?=C?=",
            "=?UTF-8?Q?=+9?=",
            "=?UTF-8?Q?a?b?=",
            "=?UTF-8?=",
            "=??=",
            "=?=",
            " ",
        ] {
            assert_eq!(decode(text), text);
        }
    }
}
