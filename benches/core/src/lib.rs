//! What is measured here, in time and in instructions: a storage in front of a null store in the same process and thread: what one upload costs, from the caller's options
//! to the receipt, without a network or a scheduler that would make it another number each time.

use std::sync::Arc;

use bytes::Bytes;
use reliable_r2::resilience::{RetryEvent, RetryObserver};
use reliable_r2::secret::Secret;
use reliable_r2::storage::{Call, Environment, ObjectOptions, Storage, StorageConfig};
use reliable_r2_rig::sink::{Etags, Sink};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

struct Deaf;

impl RetryObserver for Deaf {
    fn on_retry(&self, event: &RetryEvent<'_>) {
        panic!("nothing fails here, but {:?}", event.error);
    }
}

/// Starts a sink on the current runtime and gives its URL.
pub async fn sink() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(Sink::new(Etags::Md5).serve(listener, None));
    format!("http://{address}")
}

pub fn storage(url: String) -> Storage {
    let config = StorageConfig {
        endpoint: Some(url),
        access_key: Some(Secret::new("AKIDEXAMPLE".into())),
        secret_key: Some(Secret::new("secret".into())),
        bucket: Some("pictures".into()),
        ..StorageConfig::default()
    };
    Storage::new(config.resolve(&Environment::default()).expect("a sound configuration")).expect("a storage")
}

pub async fn upload(storage: &Storage, body: &Bytes) {
    let options = ObjectOptions { key: "inputs/picture.png".to_owned(), ..ObjectOptions::default() };
    let call = Call { observer: Arc::new(Deaf), progress: None, checkpoint: None, cancel: CancellationToken::new() };
    let receipt = storage.upload(options, body.clone(), call).await.expect("stored");
    assert_eq!(receipt.attempts, 1);
}
