//! A storage in front of a local R2, through the fault proxy.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use reliable_r2::error::Error;
use reliable_r2::resilience::{RetryEvent, RetryObserver};
use reliable_r2::secret::Secret;
use reliable_r2::storage::{Call, Environment, ObjectOptions, RetryOptions, SourceOptions, Storage, StorageConfig};
use reliable_r2::transfer::Receipt;
use reliable_r2_lab::{Event, Fault, LocalR2, Options};
use tokio_util::sync::CancellationToken;

/// A folder that goes with its test.
#[derive(Debug)]
pub(crate) struct TempFolder(PathBuf);

impl TempFolder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("reliable-r2-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Records the retries.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Vec<(String, Duration)>>);

impl RetryObserver for Recorder {
    fn on_retry(&self, event: &RetryEvent<'_>) {
        self.0.lock().expect("no panic elsewhere").push((event.error.code.to_string(), event.wait));
    }
}

impl Recorder {
    pub(crate) fn codes(&self) -> Vec<String> {
        self.0.lock().expect("no panic elsewhere").iter().map(|(code, _)| code.clone()).collect()
    }

    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.0.lock().expect("no panic elsewhere").iter().map(|&(_, wait)| wait).collect()
    }
}

pub(crate) struct Fixture {
    pub(crate) lab: LocalR2,
    pub(crate) storage: Storage,
    pub(crate) recorder: Arc<Recorder>,
    folder: TempFolder,
}

/// Short waits, so that a test of four attempts takes less than a second.
pub(crate) fn quick() -> RetryOptions {
    RetryOptions {
        max_attempts: Some(4.0),
        initial_delay_ms: Some(10.0),
        max_delay_ms: Some(50.0),
        timeout: Some(2000.0),
        ..RetryOptions::default()
    }
}

impl Fixture {
    pub(crate) async fn plain() -> Self {
        Self::with(|lab, config| config.endpoint = Some(lab.proxy_url())).await
    }

    pub(crate) async fn tls() -> Self {
        Self::with(|lab, config| {
            config.endpoint = Some(lab.tls_proxy_url());
            config.ca_certificates = vec![lab.ca_pem().to_owned()];
        })
        .await
    }

    pub(crate) async fn with(change: impl FnOnce(&LocalR2, &mut StorageConfig)) -> Self {
        let folder = TempFolder::new();
        let lab = LocalR2::start(Options::in_folder(folder.path())).await.expect("a local R2");
        let mut config = StorageConfig {
            access_key: Some(Secret::new("local".into())),
            secret_key: Some(Secret::new("local-secret".into())),
            bucket: Some("pictures".into()),
            retry: Some(quick()),
            ..StorageConfig::default()
        };
        change(&lab, &mut config);
        let config = config.resolve(&Environment::default()).expect("a sound configuration");
        Self { storage: Storage::new(config).expect("a storage"), lab, recorder: Arc::default(), folder }
    }

    pub(crate) fn call(&self) -> Call {
        let observer: Arc<dyn RetryObserver> = self.recorder.clone();
        Call { observer, progress: None, checkpoint: None, cancel: Some(CancellationToken::new()) }
    }

    pub(crate) async fn upload(&self, key: &str, body: &[u8]) -> Result<Receipt, Error> {
        self.storage.upload(to(key), Bytes::copy_from_slice(body), self.call()).await
    }

    pub(crate) async fn download_and_upload(&self, source: SourceOptions, key: &str) -> Result<Receipt, Error> {
        self.storage.download_and_upload(source, to(key), self.call()).await
    }

    /// What the server holds under a key.
    pub(crate) fn stored(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.file(key)).ok()
    }

    /// Where it holds that.
    pub(crate) fn file(&self, key: &str) -> PathBuf {
        self.folder.path().join("pictures").join(key)
    }

    /// Uploads in parts that were begun and neither completed nor aborted.
    pub(crate) fn open_uploads(&self) -> usize {
        let names = std::fs::read_dir(self.folder.path()).expect("the folder").filter_map(Result::ok);
        names.filter(|entry| entry.file_name().to_string_lossy().starts_with(".upload-")).count()
    }

    /// The requests and refused connections that the proxy saw.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.lab.events().into_iter().map(|event: Event| event.action).collect()
    }
}

pub(crate) fn to(key: &str) -> ObjectOptions {
    ObjectOptions { key: key.to_owned(), ..ObjectOptions::default() }
}

pub(crate) fn status(status: u16, code: &str) -> Fault {
    Fault::Status {
        status,
        code: code.to_owned(),
        message: None,
        retry_after: None,
        date: None,
        headers: std::collections::BTreeMap::default(),
    }
}

/// Bytes that are no file of any kind, the same for the same seed.
pub(crate) fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ size as u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    })
    .take(size)
    .collect()
}

/// What the server keeps beside an object's bytes, as text.
pub(crate) fn stored_attributes(fixture: &Fixture) -> String {
    std::fs::read_dir(fixture.folder.path())
        .expect("the folder")
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
        .collect()
}
