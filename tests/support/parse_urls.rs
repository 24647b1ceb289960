//! Reads URLs, a JSON string a line, and prints what the guard takes each for: `null` where it refuses it whatever is
//! allowed. `__test__/faults/url-parsing.test.js` compares that with what Node takes it for.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a tool of the tests")]

use std::io::{BufRead as _, stdin};

use reliable_r2::source::url_guard::{self, GuardPolicy};
use serde_json::{Value, json};

fn main() {
    for line in stdin().lock().lines() {
        let text: String = serde_json::from_str(&line.expect("a line")).expect("a JSON string");
        println!("{}", parsed(&text));
    }
}

fn parsed(text: &str) -> Value {
    let open = GuardPolicy { allow_private_networks: true, ..GuardPolicy::default() };
    let Ok(url) = url_guard::parse(text) else { return Value::Null };
    let Ok(host) = url_guard::check(&url, &open) else { return Value::Null };
    json!({
        "href": url.as_str(),
        "protocol": format!("{}:", url.scheme()),
        "hostname": url.host_str(),
        "port": url.port_or_known_default(),
        "judged": host,
        "passes": url_guard::check(&url, &GuardPolicy::default()).is_ok(),
    })
}
