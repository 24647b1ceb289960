//! `puts BYTES COUNT [--floor]`: so many uploads against a null store in the same thread, for counting instructions
//! (`npm run bench:instructions`); with `--floor`, the same by bare hyper.

use bytes::Bytes;
use reliable_r2_benches::{sink, storage, upload};
use reliable_r2_rig::bare::Peer;

async fn by_floor(url: &str, body: &Bytes, count: u64) {
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

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments.get(index).and_then(|text| text.parse::<u64>().ok());
    let (bytes, count) = number(0).zip(number(1)).expect("usage: puts BYTES COUNT [--floor]");
    let body = Bytes::from(vec![b'x'; usize::try_from(bytes).expect("a size")]);
    let url = sink().await;
    if arguments.get(2).is_some_and(|argument| argument == "--floor") {
        by_floor(&url, &body, count).await;
    } else {
        by_storage(url, &body, count).await;
    }
}
