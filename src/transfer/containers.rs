//! What the first bytes of a file say of its type. Of many formats they identify only the container that the format is built
//! on (a zip, an ISO media file): among the formats that the container can be, the key's extension decides.

/// What `body` is by its first bytes and, where these leave it open, by the extension of `key`.
pub fn identify(body: &[u8], key: &str) -> Option<&'static str> {
    let found = iso_media(body).or_else(|| matroska(body)).or_else(|| office(body)).or_else(|| by_magic(body))?;
    let name = key.rsplit('/').next().unwrap_or(key);
    let refined = name.rsplit_once('.').and_then(|(_, extension)| refine(found, extension));
    Some(refined.unwrap_or(found))
}

/// Everything else that has a signature of its own.
fn by_magic(body: &[u8]) -> Option<&'static str> {
    // Enough for all that `infer` knows (a tar says so at 257), but for what is an archive and has something in it.
    const HEAD_BYTES: usize = 300;
    const ZIP: &[u8] = b"PK";
    const OLE: &[u8] = b"\xd0\xcf\x11\xe0";
    const PDF: &str = "application/pdf";
    let is_archive = body.starts_with(ZIP) || body.starts_with(OLE);
    let head = if is_archive { body } else { &body[..body.len().min(HEAD_BYTES)] };
    let found = infer::get(head)?.mime_type();
    // `infer` finds it anywhere, as readers of PDFs do: a text that speaks of them would be one.
    (found != PDF || body.starts_with(b"%PDF-")).then_some(found)
}

/// ISO base media files name their format by brands: the major one, then those that they are compatible with.
fn iso_media(body: &[u8]) -> Option<&'static str> {
    const MOST_BRANDS: usize = 64;
    if body.get(4..8)? != b"ftyp" {
        return None;
    }
    let major = body.get(8..12)?;
    let size = u32::from_be_bytes(body.get(..4)?.try_into().ok()?) as usize;
    let brands = body.get(16..size.min(body.len())).unwrap_or_default().chunks_exact(4).take(MOST_BRANDS);
    let is_compatible = |names: &[&[u8]]| brands.clone().any(|brand| names.contains(&brand));
    Some(match major {
        b"heic" | b"heix" | b"heim" | b"heis" => "image/heic",
        b"hevc" | b"hevx" | b"hevm" | b"hevs" => "image/heic-sequence",
        b"avif" | b"avis" => "image/avif",
        b"mif1" | b"msf1" | b"miaf" if is_compatible(&[b"avif", b"avis"]) => "image/avif",
        b"mif1" | b"msf1" | b"miaf" if is_compatible(&[b"heic", b"heix", b"heim", b"heis"]) => "image/heic",
        b"mif1" | b"msf1" | b"miaf" => "image/heif",
        b"crx " => "image/x-canon-cr3",
        b"jxl " => "image/jxl",
        b"jp2 " | b"jpx " | b"jpm " => "image/jp2",
        b"qt  " => "video/quicktime",
        b"M4A " | b"M4B " | b"M4P " | b"F4A " | b"F4B " => "audio/mp4",
        b"M4V " | b"M4VH" | b"M4VP" => "video/x-m4v",
        [b'3', b'g', b'2', _] => "video/3gpp2",
        [b'3', b'g', _, _] => "video/3gpp",
        _ => "video/mp4",
    })
}

/// Matroska and WebM are EBML files, which name their format as DocType.
fn matroska(body: &[u8]) -> Option<&'static str> {
    const EBML: &[u8] = b"\x1a\x45\xdf\xa3";
    const HEAD_BYTES: usize = 256;
    if !body.starts_with(EBML) {
        return None;
    }
    let head = &body[..body.len().min(HEAD_BYTES)];
    let is_doc_type = |name: &[u8]| head.windows(name.len()).any(|window| window == name);
    if is_doc_type(b"\x42\x82\x84webm") {
        return Some("video/webm");
    }
    Some("video/x-matroska")
}

/// Office Open XML is a zip with a list of types and a folder that names the program. Programs write them in any order.
fn office(body: &[u8]) -> Option<&'static str> {
    const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
    const NAME_AT: usize = 30;
    const HEAD_BYTES: usize = 64 * 1024;
    if !body.starts_with(LOCAL_HEADER) {
        return None;
    }
    let head = &body[..body.len().min(HEAD_BYTES)];
    let headers = head.windows(LOCAL_HEADER.len()).enumerate().filter(|(_, window)| *window == LOCAL_HEADER);
    let names = headers.filter_map(|(at, _)| head.get(at + NAME_AT..));
    let has = |start: &[u8]| names.clone().any(|name| name.starts_with(start));
    if !has(b"[Content_Types].xml") {
        return None;
    }
    let programs: [(&[u8], _); 3] = [(b"word/", WORD), (b"xl/", EXCEL), (b"ppt/", POWERPOINT)];
    programs.into_iter().find(|(folder, _)| has(folder)).map(|(_, found)| found)
}

/// The type of `extension`, if it is one that a file identified as `found` can be.
fn refine(found: &str, extension: &str) -> Option<&'static str> {
    let extension = extension.to_ascii_lowercase();
    let members = FAMILIES.iter().filter(|family| family.found.contains(&found)).flat_map(|family| family.members);
    let &(_, registered) = members.into_iter().find(|(member, _)| *member == extension)?;
    if registered.is_empty() { mime_guess::from_ext(&extension).first_raw() } else { Some(registered) }
}

/// What bytes can be identified as, and the extensions of what they may be then: each with its type, or with none where
/// `mime_guess` knows it.
struct Family {
    found: &'static [&'static str],
    members: &'static [(&'static str, &'static str)],
}

const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const EXCEL: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const POWERPOINT: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";
const ZIP: &str = "application/zip";
const OLE: &str = "application/x-ole-storage";

const WORDS: &[(&str, &str)] = &[("docx", ""), ("docm", ""), ("dotx", ""), ("dotm", "")];
const EXCELS: &[(&str, &str)] = &[("xlsx", ""), ("xlsm", ""), ("xlsb", ""), ("xltx", ""), ("xltm", ""), ("xlam", "")];
const POWERPOINTS: &[(&str, &str)] = &[
    ("pptx", ""),
    ("pptm", ""),
    ("ppsx", ""),
    ("ppsm", ""),
    ("potx", ""),
    ("potm", ""),
    ("ppam", ""),
    ("sldx", ""),
    ("sldm", ""),
];

const FAMILIES: &[Family] = &[
    Family { found: &[ZIP, WORD], members: WORDS },
    Family { found: &[ZIP, EXCEL], members: EXCELS },
    Family { found: &[ZIP, POWERPOINT], members: POWERPOINTS },
    // What is protected by a password is an encrypted stream in an OLE file.
    Family { found: &[OLE], members: WORDS },
    Family { found: &[OLE], members: EXCELS },
    Family { found: &[OLE], members: POWERPOINTS },
    Family {
        found: &[ZIP],
        members: &[
            ("3mf", "model/3mf"),
            ("apk", ""),
            ("appx", "application/appx"),
            ("appxbundle", "application/appxbundle"),
            ("cbz", "application/vnd.comicbook+zip"),
            ("ear", ""),
            ("epub", ""),
            ("hwpx", "application/vnd.hancom.hwpx"),
            ("idml", "application/vnd.adobe.indesign-idml-package"),
            ("ipa", ""),
            ("jar", ""),
            ("key", "application/vnd.apple.keynote"),
            ("kmz", ""),
            ("kra", "application/x-krita"),
            ("msix", "application/msix"),
            ("msixbundle", "application/msixbundle"),
            ("numbers", "application/vnd.apple.numbers"),
            ("odb", ""),
            ("odc", ""),
            ("odf", ""),
            ("odg", ""),
            ("odi", ""),
            ("odm", ""),
            ("odp", ""),
            ("ods", ""),
            ("odt", ""),
            ("ora", "image/openraster"),
            ("otc", ""),
            ("otg", ""),
            ("oth", ""),
            ("oti", ""),
            ("otp", ""),
            ("ots", ""),
            ("ott", ""),
            ("oxps", ""),
            ("pages", "application/vnd.apple.pages"),
            ("thmx", ""),
            ("usdz", "model/vnd.usdz+zip"),
            ("vsdx", "application/vnd.ms-visio.drawing"),
            ("war", ""),
            ("wgt", ""),
            ("xap", ""),
            ("xpi", ""),
            ("xps", ""),
        ],
    },
    Family { found: &["application/vnd.oasis.opendocument.text"], members: &[("ott", ""), ("odm", ""), ("oth", "")] },
    Family { found: &["application/vnd.oasis.opendocument.spreadsheet"], members: &[("ots", "")] },
    Family { found: &["application/vnd.oasis.opendocument.presentation"], members: &[("otp", "")] },
    Family { found: &[OLE, "application/msword"], members: &[("doc", ""), ("dot", "")] },
    Family {
        found: &[OLE, "application/vnd.ms-excel"],
        members: &[("xls", ""), ("xlt", ""), ("xla", ""), ("xlm", ""), ("xlw", "")],
    },
    Family { found: &[OLE, "application/vnd.ms-powerpoint"], members: &[("ppt", ""), ("pps", ""), ("pot", "")] },
    Family {
        found: &[OLE],
        members: &[
            ("hwp", "application/vnd.hancom.hwp"),
            ("mpp", ""),
            ("msg", ""),
            ("msi", "application/x-msi"),
            ("pub", ""),
            ("vsd", ""),
            ("wps", ""),
        ],
    },
    Family {
        found: &["video/mp4"],
        members: &[
            ("3g2", ""),
            ("3gp", ""),
            ("3gpp", ""),
            ("f4a", "audio/mp4"),
            ("f4v", ""),
            ("m4a", "audio/mp4"),
            ("m4b", "audio/mp4"),
            ("m4p", "audio/mp4"),
            ("m4r", "audio/mp4"),
            ("m4v", ""),
            ("mov", ""),
            ("mp4a", ""),
        ],
    },
    Family { found: &["video/x-m4v"], members: &[("mp4", "")] },
    Family { found: &["image/heif"], members: &[("heic", ""), ("avif", "")] },
    Family { found: &["image/heic"], members: &[("heif", "")] },
    // Before there were brands: QuickTime, or what was made by its rules.
    Family { found: &["video/quicktime"], members: &[("mp4", ""), ("m4v", ""), ("m4a", "audio/mp4"), ("3gp", "")] },
    Family {
        found: &["video/x-matroska"],
        members: &[("mka", ""), ("mks", "application/x-matroska"), ("webm", ""), ("weba", "")],
    },
    Family { found: &["video/webm"], members: &[("weba", "")] },
    Family {
        found: &["audio/ogg", "audio/opus"],
        members: &[("oga", ""), ("ogg", ""), ("ogv", ""), ("ogx", ""), ("opus", ""), ("spx", "")],
    },
    Family { found: &["video/x-ms-wmv"], members: &[("asf", ""), ("wma", "")] },
    Family { found: &["audio/x-wav"], members: &[("wav", "")] },
    Family { found: &["audio/x-aiff"], members: &[("aif", ""), ("aiff", ""), ("aifc", "")] },
    Family { found: &["image/png"], members: &[("apng", "image/apng")] },
    Family {
        found: &["image/tiff"],
        members: &[
            ("arw", ""),
            ("cr2", ""),
            ("dng", ""),
            ("kdc", ""),
            ("nef", ""),
            ("nrw", ""),
            ("pef", ""),
            ("sr2", ""),
        ],
    },
    Family {
        found: &["application/font-woff", "application/font-sfnt"],
        members: &[("otf", "font/otf"), ("ttf", ""), ("woff", ""), ("woff2", "")],
    },
    Family { found: &["application/gzip"], members: &[("svgz", "image/svg+xml")] },
    Family { found: &["application/vnd.rar"], members: &[("cbr", "application/vnd.comicbook-rar")] },
    Family { found: &["application/x-tar"], members: &[("ova", "application/ovf")] },
    Family { found: &["application/vnd.sqlite3"], members: &[("gpkg", "application/geopackage+sqlite3")] },
    Family {
        found: &["text/x-shellscript"],
        members: &[
            ("cjs", "text/javascript"),
            ("js", ""),
            ("mjs", "text/javascript"),
            ("php", "application/x-httpd-php"),
            ("pl", ""),
            ("py", "text/x-python"),
            ("rb", "text/x-ruby"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn zip(names: &[&str]) -> Vec<u8> {
        let entry = |name: &&str| {
            let sizes = [3_u32, 3].map(u32::to_le_bytes).concat();
            let lengths = [name.len() as u16, 0].map(u16::to_le_bytes).concat();
            [b"PK\x03\x04".as_slice(), &[0; 14], &sizes, &lengths, name.as_bytes(), b"abc"].concat()
        };
        names.iter().flat_map(entry).collect()
    }

    fn iso(major: &[u8; 4], compatible: &[&[u8; 4]]) -> Vec<u8> {
        let size = 16 + 4 * compatible.len() as u32;
        let brands: Vec<u8> = compatible.iter().flat_map(|brand| **brand).collect();
        [&size.to_be_bytes(), b"ftyp".as_slice(), major, &[0; 4], &brands, &[0; 40]].concat()
    }

    fn ole() -> Vec<u8> {
        [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), &[0; 600]].concat()
    }

    #[test]
    fn the_extension_decides_among_what_a_container_can_be() {
        let package = zip(&["[Content_Types].xml", "_rels/.rels", "docProps/app.xml", "customXml/item1.xml"]);
        let workbook = zip(&["[Content_Types].xml", "_rels/.rels", "xl/workbook.xml", "xl/styles.xml"]);
        let archive = zip(&["doc.kml"]);
        let [movie, picture] = [iso(b"isom", &[b"iso2", b"mp41"]), iso(b"mif1", &[])];
        let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
        let matroska = b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska".to_vec();
        let webm = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm".to_vec();
        let ogg = b"OggS\0\x02\0\0\0\0".to_vec();
        let tiff = [b"II*\0\x08".as_slice(), &[0; 20]].concat();
        for (body, key, expected) in [
            (&package, "a/b.docx", WORD),
            (&package, "B.PPTX", POWERPOINT),
            (&package, "a.xlsx", EXCEL),
            (&package, "a.zip", ZIP),
            (&package, "a", ZIP),
            (&package, "a.png", ZIP),
            (&package, "a.docx/b", ZIP),
            (&workbook, "a.xlsm", "application/vnd.ms-excel.sheet.macroEnabled.12"),
            (&workbook, "a.docx", EXCEL),
            (&zip(&["_rels/.rels", "docProps/app.xml", "ppt/a.xml", "[Content_Types].xml"]), "a", POWERPOINT),
            (&workbook, "a", EXCEL),
            (&archive, "a.kmz", "application/vnd.google-earth.kmz"),
            (&archive, "a.apk", "application/vnd.android.package-archive"),
            (&archive, "a.usdz", "model/vnd.usdz+zip"),
            (&archive, "a.html", ZIP),
            (&ole(), "a.doc", "application/msword"),
            (&ole(), "a.xls", "application/vnd.ms-excel"),
            (&ole(), "a.msg", "application/vnd.ms-outlook"),
            (&ole(), "a.docx", WORD),
            (&ole(), "a", OLE),
            (&movie, "a.mp4", "video/mp4"),
            (&movie, "a.m4a", "audio/mp4"),
            (&movie, "a.mov", "video/quicktime"),
            (&movie, "a.heic", "video/mp4"),
            (&movie, "a", "video/mp4"),
            (&picture, "a.heic", "image/heic"),
            (&picture, "a.mp4", "image/heif"),
            (&iso(b"heic", &[b"mif1"]), "a.heic", "image/heic"),
            (&iso(b"heic", &[b"mif1"]), "a.jpg", "image/heic"),
            (&iso(b"mif1", &[b"avif"]), "a", "image/avif"),
            (&iso(b"qt  ", &[]), "a.mov", "video/quicktime"),
            (&iso(b"M4A ", &[b"mp42"]), "a.mp4", "audio/mp4"),
            (&iso(b"3gp4", &[]), "a.3gp", "video/3gpp"),
            (&gzip, "a.tar.gz", "application/gzip"),
            (&gzip, "a.tgz", "application/gzip"),
            (&gzip, "a.svgz", "image/svg+xml"),
            (&matroska, "a.mka", "audio/x-matroska"),
            (&matroska, "a.mkv", "video/x-matroska"),
            (&webm, "a.weba", "audio/webm"),
            (&webm, "a.mkv", "video/webm"),
            (&ogg, "a.ogv", "video/ogg"),
            (&ogg, "a", "audio/ogg"),
            (&tiff, "a.dng", "image/x-adobe-dng"),
            (&b"RIFF\0\0\0\0WAVEfmt ".to_vec(), "a.wav", "audio/wav"),
            (&b"RIFF\0\0\0\0WEBPVP8 ".to_vec(), "a.avi", "image/webp"),
            (&b"RIFF\0\0\0\0AVI LIST".to_vec(), "a.webp", "video/x-msvideo"),
            (&b"#!/usr/bin/env node\n".to_vec(), "cli.js", "text/javascript"),
        ] {
            assert_eq!(identify(body, key), Some(expected), "{key}");
        }
    }

    #[test]
    fn bytes_without_a_signature_are_not_identified() {
        for body in [b"".as_slice(), b"text", b"begin it with %PDF-1.7", b"\0\0\0\x18fty", b"RIFF\0\0\0\0sfbk"] {
            assert_eq!(identify(body, "a.zip"), None, "{body:?}");
        }
    }

    #[test]
    fn every_member_of_a_family_has_a_type() {
        for family in FAMILIES {
            for (extension, registered) in family.members {
                let known =
                    if registered.is_empty() { mime_guess::from_ext(extension).first_raw() } else { Some(*registered) };
                let known = known.unwrap_or_default();
                assert!(known.contains('/') && known != "application/octet-stream", "{extension}: {known:?}");
            }
        }
    }

    /// Lengths in hostile heads lead nowhere.
    #[test]
    fn heads_that_end_anywhere_are_identified_without_a_panic() {
        let bodies = [zip(&["[Content_Types].xml", "_rels/.rels", "word/a"]), ole(), iso(b"mif1", &[b"avif", b"heic"])];
        for body in bodies {
            for end in 0..body.len() {
                let mut cut = body[..end].to_vec();
                let _ = identify(&cut, "a.docx");
                cut.iter_mut().skip(12).for_each(|byte| *byte = 0xff);
                let _ = identify(&cut, "a.docx");
            }
        }
    }
}
