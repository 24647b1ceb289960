//! The vectors that attackers try, as literals, names and schemes.

use super::*;

fn passes(text: &str) -> bool {
    parse(text).and_then(|url| check(&url, &GuardPolicy::default())).is_ok()
}

#[test]
fn blocks_every_way_to_write_a_loopback_or_metadata_address() {
    let vectors = [
        "https://127.0.0.1",
        "https://127.1",
        "https://127.0.1",
        "https://0",
        "https://0.0.0.0",
        "https://2130706433",
        "https://017700000001",
        "https://0177.0.0.1",
        "https://0x7f.0x0.0x0.0x1",
        "https://0x7f000001",
        "https://127.0.0.1.",
        "https://127.127.127.127",
        "https://１２７.０.０.１",
        "https://127。0。0。1",
        "https://①②⑦.⓪.⓪.①",
        "https://127%2e0%2e0%2e1",
        "https://%31%32%37.0.0.1",
        "https:/127.0.0.1",
        "https:127.0.0.1",
        "https:///127.0.0.1",
        "https:\\\\127.0.0.1\\",
        " https://127.0.0.1/ ",
        "https://127.0\n.0.1/",
        "HTTPS://127.0.0.1",
        "https://localhost",
        "https://LOCALHOST",
        "https://localhost.",
        "https://foo.localhost",
        "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
        "https://loc\u{ad}alhost",
        "https://[::1]",
        "https://[::]",
        "https://[::ffff:7f00:1]",
        "https://[::127.0.0.1]",
        "https://169.254.169.254/latest/meta-data/",
        "https://2852039166",
        "https://0xA9FEA9FE",
        "https://0251.0376.0251.0376",
        "https://[::ffff:169.254.169.254]",
        "https://[64:ff9b::a9fe:a9fe]",
        "https://[2002:a9fe:a9fe::]",
        "https://[fe80::1]",
        "https://[fd00:ec2::254]",
        "https://169.254.170.2",
        "https://100.100.100.200",
        "https://168.63.129.16",
        "https://metadata.google.internal",
        "https://metadata",
        "https://instance-data",
        "https://kubernetes.default.svc",
        "https://printer.local",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/",
    ];
    for vector in vectors {
        assert!(!passes(vector), "{vector}");
    }
}

#[test]
fn blocks_confusing_delimiters_schemes_and_ports() {
    let vectors = [
        "https://example.com@127.0.0.1/",
        "https://127.0.0.1@example.com/",
        "https://u:p@example.com/",
        "https://example.com\\@127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x",
        "ftp://example.com/a",
        "data:text/plain,hi",
        "javascript:alert(1)",
        "http://example.com/",
        "https://example.com:22/",
        "https://example.com:0/",
        "https://example.com:8443/",
        "",
        " ",
        "not a url",
        "/rel",
        "//h/x",
        "https://",
        "https://?",
        "https://a..b/",
        "https://-a.com/",
        "https://[::1",
        "https://h:65536",
        "https://./",
        "https:./b://example.com",
        "https:example.com/://x",
        "https:/example.com/://x",
    ];
    for vector in vectors {
        assert!(!passes(vector), "{vector}");
    }
}

#[test]
fn blocks_what_parsers_forgive() {
    for text in [
        "https://example.com/a b",
        "https://example.com/\u{7f}",
        "https://example.com/\u{a0}",
        "https://example.com/\\",
    ] {
        assert_eq!(parse(text).expect_err(text).code, code::INVALID_URL, "{text:?}");
    }
}

/// "a|" looks like a drive, which ".." does not leave in URLs of files, and here.
#[test]
fn paths_that_are_read_in_two_ways_are_refused() {
    for text in ["https://a.example/a|/../b", "https://a.example/C:/x/%2E./b", "https://a.example/b/a:/.."] {
        assert_eq!(parse(text).expect_err(text).code, code::INVALID_URL, "{text}");
    }
    for (text, read) in [
        ("https://a.example/ab|/../b", "https://a.example/b"),
        ("https://a.example/a:/b", "https://a.example/a:/b"),
        ("https://a.example/1:/../b?a:/..", "https://a.example/b?a:/.."),
    ] {
        assert_eq!(parse(text).expect(text).as_str(), read);
    }
}

#[test]
fn urls_are_at_most_eight_kibibytes() {
    let text = format!("https://example.com/{}", "a".repeat(8 * 1024 - 20));
    assert_eq!(text.len(), 8192);
    assert!(passes(&text) && !passes(&format!("{text}a")));
}

#[test]
fn labels_hold_letters_digits_hyphens_and_underscores() {
    assert!(passes("https://a-1_b.example.com/"));
    for text in ["https://a+b.example.com/", "https://a!.example.com/", "https://a*b.example.com/"] {
        assert!(!passes(text), "{text}");
    }
}

/// Whatever else is opened.
#[test]
fn other_schemes_and_port_zero_are_never_opened() {
    let open = GuardPolicy { allow_private_networks: true, ..GuardPolicy::default() };
    for (text, opened) in [
        ("http://10.0.0.1:8080/", true),
        ("ftp://example.com/", false),
        ("http://example.com:0/", false),
        ("http://u@example.com/", false),
    ] {
        assert_eq!(parse(text).and_then(|url| check(&url, &open)).is_ok(), opened, "{text}");
    }
}

#[test]
fn hosts_whose_name_depends_on_the_version_of_unicode_are_refused() {
    for text in ["https://stra\u{1e9e}e.com/", "https://stra%E1%BA%9Ee.com/", "https://b\u{fc}cher.de/"] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert!(passes("https://provider.com/b\u{fc}cher%20?\u{1e9e}"), "a path is anybody's");
}

#[test]
fn what_names_no_host_is_refused_whatever_is_allowed() {
    let open = GuardPolicy { allow_private_networks: true, ..GuardPolicy::default() };
    for text in ["https://./", "http://.:80/", "https:./b://127.0.0.1", "http:127.0.0.1/://x", "http:/127.0.0.1/://x"] {
        let host = parse(text).and_then(|url| check(&url, &open));
        assert!(host.is_err(), "{text}: {host:?}");
    }
    let url = parse("http://127.0.0.1:9000/a").expect("a URL");
    assert_eq!(check(&url, &open).expect("allowed"), "127.0.0.1");
}

#[test]
fn lets_public_https_urls_through() {
    for url in [
        "https://images.provider.com/a.png?X-Amz-Signature=abc",
        "https://xn--bcher-kva.de/",
        "https://a.b.c.d.provider.co.uk:443/x",
        "https://provider.com./a",
    ] {
        assert!(passes(url), "{url}");
    }
}

#[test]
fn every_message_is_the_same_and_hides_the_address() {
    let message = |text: &str| {
        let url = parse(text).expect("a URL");
        check(&url, &GuardPolicy::default()).expect_err("blocked").to_string()
    };
    assert_eq!(message("https://127.0.0.1/secret"), message("https://example.com:22/?token=1"));
    assert!(!message("https://example.com:22/?token=1").contains("token"));
}

#[test]
fn judges_the_edges_of_every_range() {
    let global = |text: &str| is_global(text.parse().expect("an address"));
    for inside in [
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.255.255.255",
        "169.254.0.0",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.255",
        "192.0.2.0",
        "192.88.99.255",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.0",
        "203.0.113.255",
        "224.0.0.0",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "2002::1",
        "3fff::1",
        "3fff:fff::1",
        "5f00::1",
        "fc00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!global(inside), "{inside}");
    }
    for outside in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "168.63.129.15",
        "168.63.129.17",
        "2001:200::1",
        "2001:db9::1",
        "2003::1",
        "2606:4700:4700::1111",
        "3fff:1000::1",
    ] {
        assert!(global(outside), "{outside}");
    }
}

#[test]
fn one_forbidden_address_condemns_the_name() {
    let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
    assert!(check_addresses([ip("93.184.216.34")]).is_ok());
    assert!(check_addresses([ip("93.184.216.34"), ip("127.0.0.1")]).is_err());
    assert!(check_addresses([ip("::1"), ip("93.184.216.34")]).is_err());
    assert!(check_addresses([]).is_err());
}

#[test]
fn the_caller_opens_what_they_vouch_for() {
    let opened = |hosts: &[&str], text: &str| {
        let policy = GuardPolicy {
            allowed_hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            ..GuardPolicy::default()
        };
        parse(text).and_then(|url| check(&url, &policy)).is_ok()
    };
    assert!(opened(&["127.0.0.1"], "http://127.0.0.1:9000/a"));
    assert!(opened(&["*.cdn.lan"], "http://a.cdn.lan/x"));
    assert!(!opened(&["*.cdn.lan"], "http://cdn.lan.evil.lan/x"));
    assert!(!opened(&["*.cdn.lan"], "http://xcdn.lan/x"));
    assert!(!opened(&["127.0.0.1"], "http://127.0.0.2/"));
    assert!(!opened(&["127.0.0.1"], "http://u:p@127.0.0.1/"));
    let all = GuardPolicy { allow_private_networks: true, ..GuardPolicy::default() };
    assert!(parse("http://10.0.0.1:81/").and_then(|url| check(&url, &all)).is_ok());
    assert!(parse("file:///etc/passwd").and_then(|url| check(&url, &all)).is_err());
}
