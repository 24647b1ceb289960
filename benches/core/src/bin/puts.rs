//! `puts BYTES COUNT [--baseline | --operation | --gate]`: so many uploads against a null store in the same thread, for counting
//! instructions (`npm run task bench:instructions`). With `--operation`, the request alone, without breaker, pace, budget, turns,
//! retries and metrics; with `--gate`, the request with all but the metrics; with `--baseline`, bare hyper.

use bytes::Bytes;
use reliable_r2::store::{EndpointOptions, ObjectStore as _, ResilientStore, S3Store};
use reliable_r2_benches::{put_request, sink, storage, store, upload, with_context};
use reliable_r2_rig::bare::Peer;

async fn by_baseline(url: &str, body: &Bytes, count: u64) {
    let peer = Peer::new(url, None).expect("a URL");
    let mut sender = peer.connect().await.expect("a connection");
    for _ in 0..count {
        peer.put(&mut sender, body.clone()).await.expect("stored");
    }
}

async fn by_storage(url: String, body: &Bytes, count: u64) {
    let storage = storage(url);
    for _ in 0..count {
        upload(&storage, body).await;
    }
}

async fn by_operation(store: &S3Store, body: &Bytes, count: u64) {
    for _ in 0..count {
        store.put_object(&put_request(body)).await.expect("stored");
    }
}

async fn by_gate(store: S3Store, body: &Bytes, count: u64) {
    let store = ResilientStore::new(store, EndpointOptions::default());
    for _ in 0..count {
        let request = put_request(body);
        with_context(async |context| store.put_object(&request, context).await.expect("stored")).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments.get(index).and_then(|text| text.parse::<u64>().ok());
    let (bytes, count) = number(0).zip(number(1)).expect("usage: puts BYTES COUNT [--baseline | --operation | --gate]");
    let body = Bytes::from(vec![b'x'; usize::try_from(bytes).expect("a size")]);
    let url = sink().await;
    match arguments.get(2).map(String::as_str) {
        Some("--baseline") => by_baseline(&url, &body, count).await,
        Some("--operation") => by_operation(&store(url), &body, count).await,
        Some("--gate") => by_gate(store(url), &body, count).await,
        _ => by_storage(url, &body, count).await,
    }
}
