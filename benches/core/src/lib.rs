//! What one upload costs, in time and in instructions, from the caller's options to the receipt: against a null store in
//! the same process and thread, without a network or a scheduler that would make it another number each time.

use std::sync::Arc;

use bytes::Bytes;
use reliable_r2::error::Operation;
use reliable_r2::net::root_certs::Trust;
use reliable_r2::resilience::{Preset, RetryContext, RetryEvent, RetryObserver};
use reliable_r2::secret::Secret;
use reliable_r2::storage::{Call, Environment, ObjectOptions, ResolvedConfig, Storage, StorageConfig};
use reliable_r2::store::{BucketName, HeaderValues, ObjectHeader, ObjectHeaders, ObjectKey, PutObject, S3Store};
use reliable_r2_rig::sink::{Etags, Sink};
use tokio::net::TcpListener;
use tokio::time::Instant;

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
    tokio::spawn(Sink::new(Etags::Fixed).serve(listener, None));
    format!("http://{address}")
}

fn config(url: String) -> ResolvedConfig {
    let config = StorageConfig {
        endpoint: Some(url),
        access_key: Some(Secret::new("AKIDEXAMPLE".into())),
        secret_key: Some(Secret::new("secret".into())),
        bucket: Some("pictures".into()),
        ..StorageConfig::default()
    };
    config.resolve(&Environment::default()).expect("a sound configuration")
}

pub fn storage(url: String) -> Storage {
    Storage::new(config(url)).expect("a storage")
}

/// What is under a storage: one request at a time, as it is asked for.
pub fn store(url: String) -> S3Store {
    let tls = Trust::default();
    S3Store::new(&config(url).targets[0].s3, tls).expect("a store")
}

pub fn put_request(body: &Bytes) -> PutObject {
    let headers = ObjectHeaders {
        content_type: "application/octet-stream".to_owned(),
        values: HeaderValues::from([(ObjectHeader::ContentDisposition, "inline".to_owned())]),
        ..ObjectHeaders::default()
    };
    PutObject {
        bucket: BucketName::parse("pictures").expect("a name"),
        key: ObjectKey::parse("inputs/picture.png").expect("a key"),
        body: body.clone().into(),
        headers,
        condition: None,
        verify_integrity: true,
        progress: None,
    }
}

/// Runs `work` as a call has it.
pub async fn with_context<T>(work: impl AsyncFnOnce(RetryContext<'_>) -> T) -> T {
    let policy = Preset::FileUpload.policy();
    let started = Instant::now();
    let (operation, key) = (Operation::UploadFile, "inputs/picture.png");
    work(RetryContext { policy: &policy, started, operation, key, has_alternative: false, observer: &Deaf }).await
}

pub async fn upload(storage: &Storage, body: &Bytes) {
    let options = ObjectOptions { key: "inputs/picture.png".to_owned(), ..ObjectOptions::default() };
    let call = Call { observer: Arc::new(Deaf), progress: None, checkpoint: None, cancel: None };
    let receipt = storage.upload(options, body.clone(), call).await.expect("stored");
    assert_eq!(receipt.attempts, 1);
}
