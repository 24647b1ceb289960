//! `local-r2`: the test server as a program. Prints one line of JSON when it is ready.

use std::process::ExitCode;

use reliable_r2_lab::{LocalR2, Options};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

const USAGE: &str = "usage: local-r2 --data DIR [--access-key K] [--secret-key S] [--bucket B]... \
[--s3-port N] [--proxy-port N] [--tls-port N] [--control-port N] [--public-port N] [--name N]... [--conditions r2|s3|put|none] [--exit-with-stdin]";

fn parse() -> Result<(Options, bool), lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options::in_folder("");
    let mut buckets = Vec::new();
    let mut exit_with_stdin = false;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("data") => options.data = arguments.value()?.into(),
            Long("access-key") => options.access_key = arguments.value()?.string()?,
            Long("secret-key") => options.secret_key = arguments.value()?.string()?,
            Long("bucket") => buckets.push(arguments.value()?.string()?),
            Long("s3-port") => options.s3_port = arguments.value()?.parse()?,
            Long("proxy-port") => options.proxy_port = arguments.value()?.parse()?,
            Long("tls-port") => options.tls_port = arguments.value()?.parse()?,
            Long("control-port") => options.control_port = arguments.value()?.parse()?,
            Long("public-port") => options.public_port = arguments.value()?.parse()?,
            Long("name") => options.names.push(arguments.value()?.string()?),
            Long("conditions") => options.conditions = arguments.value()?.parse()?,
            Long("exit-with-stdin") => exit_with_stdin = true,
            other => return Err(other.unexpected()),
        }
    }
    if options.data.as_os_str().is_empty() {
        return Err("--data is missing".into());
    }
    if !buckets.is_empty() {
        options.buckets = buckets;
    }
    Ok((options, exit_with_stdin))
}

#[tokio::main]
async fn main() -> ExitCode {
    let (options, exit_with_stdin) = match parse() {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("local-r2: {error}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let lab = match LocalR2::start(options).await {
        Ok(lab) => lab,
        Err(error) => {
            eprintln!("local-r2 could not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (certificate, key) = lab.server_pem();
    let ready = json!({
        "ready": true,
        "s3": lab.s3_url(),
        "proxy": lab.proxy_url(),
        "tlsProxy": lab.tls_proxy_url(),
        "control": lab.control_url(),
        "public": lab.public_url(),
        "full": lab.full_url(),
        "caCertificate": lab.ca_pem(),
        "serverCertificate": certificate,
        "serverKey": key,
    });
    println!("{ready}");
    wait_for_the_end(exit_with_stdin).await;
    // Not a return: the runtime would wait for a read of standard input that never ends.
    std::process::exit(0)
}

async fn wait_for_the_end(exit_with_stdin: bool) {
    let stdin_ends = async {
        if !exit_with_stdin {
            return std::future::pending().await;
        }
        let mut nothing = [0; 256];
        while tokio::io::stdin().read(&mut nothing).await.is_ok_and(|read| read > 0) {}
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated() => {}
        () = stdin_ends => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
