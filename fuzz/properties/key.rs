//! A key that passes is the same key at the other end: in the request's path, in the object's addresses, in a message.

use percent_encoding::percent_decode_str;
use reliable_r2::secret::Secret;
use reliable_r2::storage::{Environment, StorageConfig, TargetConfig};
use reliable_r2::store::{BucketName, ObjectKey};
use url::Url;

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(bucket) = BucketName::parse(text) {
        let sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
        assert!((3..=63).contains(&text.len()) && text.bytes().all(sound), "{text}");
        assert_eq!(bucket.as_str(), text);
    }
    let Ok(key) = ObjectKey::parse(text) else { return };
    assert_eq!(key.as_str(), text);
    assert!((1..=ObjectKey::MAX_BYTES).contains(&text.len()));
    assert!(!text.contains(['\r', '\n', '\0', '\\']) && !key.filename().contains('/') && !key.filename().is_empty());

    let bucket = BucketName::parse("pictures").expect("a bucket");
    let path = key.path_in(&bucket);
    let uri: http::Uri = path.parse().expect("a path");
    assert_eq!((uri.path(), uri.query()), (path.as_str(), None), "nothing of the key is a query");
    assert_eq!(decoded(&path), format!("/pictures/{text}"));
    // What proxies and browsers do to a path leaves it as it is.
    let url = Url::parse(&format!("https://a.example{path}")).expect("a URL");
    assert_eq!((url.path(), url.query(), url.fragment()), (path.as_str(), None, None));

    let addresses = target().addresses(&bucket, &key).expect("a key that can be written");
    for (address, prefix) in [(addresses.location, "/pictures/"), (addresses.url, "/folder/")] {
        let url = Url::parse(&address).expect("an address");
        assert_eq!(url.as_str(), address, "already as parsers write it");
        assert_eq!((url.query(), url.fragment()), (None, None), "{address}");
        assert_eq!(decoded(url.path()), format!("{prefix}{text}"), "{address}");
    }
}

fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8().expect("UTF-8").into_owned()
}

fn target() -> &'static TargetConfig {
    static TARGET: std::sync::OnceLock<TargetConfig> = std::sync::OnceLock::new();
    TARGET.get_or_init(|| {
        let config = StorageConfig {
            endpoint: Some("https://a.example:9000".into()),
            access_key: Some(Secret::new("key".into())),
            secret_key: Some(Secret::new("secret".into())),
            bucket: Some("pictures".into()),
            domain: Some("https://images.example/folder/".into()),
            ..StorageConfig::default()
        };
        config.resolve(&Environment::default()).expect("sound").targets.remove(0)
    })
}
