//! `null-sink`: prints its URLs as one line of JSON, and ends when its standard input does.

use std::process::ExitCode;

use reliable_r2_rig::certificate::Certificate;
use reliable_r2_rig::sink::{Etags, Sink};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

const USAGE: &str = "usage: null-sink [--etag md5|fixed]";

fn parse() -> Result<Etags, lexopt::Error> {
    use lexopt::prelude::*;
    let mut etags = Etags::Md5;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("etag") => {
                etags = match arguments.value()?.string()?.as_str() {
                    "md5" => Etags::Md5,
                    "fixed" => Etags::Fixed,
                    other => return Err(format!("--etag {other} is neither md5 nor fixed").into()),
                }
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(etags)
}

async fn run(etags: Etags) -> std::io::Result<()> {
    let (plain, tls) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    let certificate = Certificate::for_localhost(&[])?;
    let ready = json!({
        "plain": format!("http://127.0.0.1:{}", plain.local_addr()?.port()),
        "tls": format!("https://127.0.0.1:{}", tls.local_addr()?.port()),
        "caCertificate": certificate.authority_pem,
    });
    let sink = Sink::new(etags);
    let mut stdin = tokio::io::stdin();
    let stdin_ends = async {
        let mut nothing = [0; 256];
        while stdin.read(&mut nothing).await.is_ok_and(|read| read > 0) {}
        Ok(())
    };
    println!("{ready}");
    tokio::select! {
        ended = std::sync::Arc::clone(&sink).serve(plain, None) => ended,
        ended = sink.serve(tls, Some(certificate.acceptor()?)) => ended,
        ended = stdin_ends => ended,
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let etags = match parse() {
        Ok(etags) => etags,
        Err(error) => {
            eprintln!("null-sink: {error}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match run(etags).await {
        // Not a return: the runtime would wait for a read of standard input that never ends.
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("null-sink: {error}");
            ExitCode::FAILURE
        }
    }
}
