//! A file of this machine, read as it is sent.

use std::fs::Metadata;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use tokio::fs::{File, OpenOptions, metadata};
use tokio::io::AsyncReadExt as _;
use tokio::time::sleep;

use super::chunks::Chunks;
use super::resume;
use crate::error::{Category, Error, Result, Retryability, code, printable};

/// Read at once: enough that the way to the thread that reads does not count.
const PIECE_BYTES: usize = 512 * 1024;
/// The system's clock for times of files may stand still for this long (a tick at 100 Hz is half of it): a file that changes
/// twice within has the same time after both.
const TICK: Duration = Duration::from_millis(20);
/// A file that is written to all the time is known by its end, too.
const MOST_WAITS: usize = 3;

#[derive(Debug)]
pub struct FileSource {
    file: File,
    version: FileVersion,
    length: u64,
    read: u64,
}

/// Which file it is, and when it was last written to. Whoever writes can set the time of modification, but not that of the
/// last change of status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVersion {
    length: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    changed: (i64, i64),
    #[cfg(unix)]
    inode: (u64, u64),
}

impl FileVersion {
    fn of(found: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Self {
            length: found.len(),
            modified: found.modified().ok(),
            #[cfg(unix)]
            changed: (found.ctime(), found.ctime_nsec()),
            #[cfg(unix)]
            inode: (found.dev(), found.ino()),
        }
    }

    /// When it last changed, by the clock of its file system.
    fn time(&self) -> Option<SystemTime> {
        #[cfg(unix)]
        {
            let (seconds, nanoseconds) = (u64::try_from(self.changed.0).ok()?, u64::try_from(self.changed.1).ok()?);
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds))
        }
        #[cfg(not(unix))]
        self.modified
    }

    /// Whether a change from now on would have another time. Of one that is in the future, nothing is known.
    fn is_settled(&self) -> bool {
        let age = self.time().and_then(|time| SystemTime::now().duration_since(time).ok());
        age.is_none_or(|age| age >= TICK)
    }
}

impl FileSource {
    /// What it is now it must still be at its end, and what it was when `first` was set.
    ///
    /// # Errors
    /// `ERR_INVALID_BODY` for what is no file, cannot be opened, or has another length than `declared`;
    /// `ERR_SOURCE_CHANGED`.
    pub async fn open(path: &Path, declared: Option<u64>, first: &OnceLock<FileVersion>) -> Result<Self> {
        let name = printable(&path.to_string_lossy(), 300);
        let invalid = |why: String| {
            Error::invalid(code::INVALID_BODY, "body", format!("body is a file that cannot be sent: {why}: {name}"))
        };
        let unusable = |error: std::io::Error| invalid(error.to_string()).caused_by(error);
        let not_a_file = || invalid("it is not a file; only regular files can be sent".to_owned());
        // Asked before it is opened: to open a device can have effects.
        if !metadata(path).await.map_err(unusable)?.is_file() {
            return Err(not_a_file());
        }
        let file = for_reading().open(path).await.map_err(unusable)?;
        let mut found = file.metadata().await.map_err(unusable)?;
        if !found.is_file() {
            return Err(not_a_file());
        }
        for _ in 0..MOST_WAITS {
            if FileVersion::of(&found).is_settled() {
                break;
            }
            sleep(TICK).await;
            found = file.metadata().await.map_err(unusable)?;
        }
        let version = FileVersion::of(&found);
        if *first.get_or_init(|| version.clone()) != version {
            return Err(resume::changed());
        }
        let length = found.len();
        match declared {
            Some(declared) if declared != length => {
                Err(invalid(format!("it has {length} bytes, not the {declared} of contentLength")))
            }
            _ => Ok(Self { file, version, length, read: 0 }),
        }
    }

    /// What is read ends where the file ended when it was opened; both can still be wrong.
    async fn check(&self) -> Result<()> {
        let now = self.file.metadata().await.map_err(unreadable)?;
        if FileVersion::of(&now) != self.version {
            return Err(resume::changed());
        }
        if self.read == self.length {
            return Ok(());
        }
        // Files of /proc and /sys have whatever a read makes of them.
        let detail = format!(
            "the file says that it has {} bytes, and reading it gives others; read it and pass its bytes",
            self.length
        );
        Err(Error::new(code::SOURCE_LENGTH, Category::Source, Retryability::Permanent, detail))
    }
}

/// A pipe in the file's place would wait for whoever writes to it; a regular file does not know of this.
fn for_reading() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    options.custom_flags(libc::O_NONBLOCK);
    options
}

fn unreadable(error: std::io::Error) -> Error {
    let detail = format!("the file could not be read to its end: {}", error.kind());
    Error::new(code::SOURCE_FAILED, Category::Source, Retryability::Permanent, detail).caused_by(error)
}

impl Chunks for FileSource {
    fn length(&self) -> Option<u64> {
        Some(self.length)
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        // And a byte more: a file that has grown is known by it.
        let rest = usize::try_from(self.length.saturating_sub(self.read)).unwrap_or(usize::MAX).saturating_add(1);
        let mut piece = BytesMut::with_capacity(rest.min(PIECE_BYTES));
        let read = self.file.read_buf(&mut piece).await.map_err(unreadable)?;
        self.read += read as u64;
        if read == 0 || self.read > self.length {
            self.check().await?;
        }
        Ok((read > 0).then(|| piece.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::{Seek as _, SeekFrom, Write as _};
    use std::path::PathBuf;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("reliable-r2-file-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("made");
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    async fn open(path: &Path) -> Result<FileSource> {
        FileSource::open(path, None, &OnceLock::new()).await
    }

    async fn read_to_end(file: &mut FileSource) -> Option<String> {
        loop {
            match file.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return Some(error.code.to_string()),
            }
        }
    }

    fn writer(path: &Path) -> File {
        fs::OpenOptions::new().write(true).open(path).expect("opened")
    }

    /// Of each size whose end falls elsewhere in the pieces; changed before, between and after reads.
    #[tokio::test]
    async fn a_file_that_changes_while_it_is_read_is_no_source() {
        let folder = Folder::new("changes");
        let path = folder.0.join("body");
        let changes: [(&str, &dyn Fn()); 6] = [
            ("grow", &|| {
                fs::OpenOptions::new().append(true).open(&path).expect("opened").write_all(b"more").expect("written")
            }),
            ("cut", &|| writer(&path).set_len(5).expect("cut")),
            ("overwrite", &|| writer(&path).write_all(b"other").expect("written")),
            ("overwrite the end", &|| {
                let mut file = writer(&path);
                file.seek(SeekFrom::End(-1)).expect("a place");
                file.write_all(b"!").expect("written");
            }),
            ("overwrite and set the time back", &|| {
                let before = fs::metadata(&path).expect("there").modified().expect("a time");
                let mut file = writer(&path);
                file.write_all(b"other").expect("written");
                file.set_modified(before).expect("set");
            }),
            ("cut and grow to the same size", &|| {
                let file = writer(&path);
                let length = file.metadata().expect("there").len();
                file.set_len(1).and_then(|()| file.set_len(length)).expect("cut");
            }),
        ];
        for size in [6, PIECE_BYTES - 1, PIECE_BYTES, 2 * PIECE_BYTES + 7] {
            for reads in [0, 1, 2] {
                for (name, change) in changes {
                    fs::write(&path, vec![7; size]).expect("written");
                    let mut file = open(&path).await.expect("opened");
                    for _ in 0..reads {
                        if file.read < file.length {
                            file.next().await.expect("a piece");
                        }
                    }
                    change();
                    assert_eq!(
                        read_to_end(&mut file).await.as_deref(),
                        Some(code::SOURCE_CHANGED),
                        "{name} {size} {reads}"
                    );
                }
                fs::write(&path, vec![7; size]).expect("written");
                assert_eq!(read_to_end(&mut open(&path).await.expect("opened")).await, None, "unchanged, {size}");
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_changed_between_two_endpoints_is_no_source() {
        let folder = Folder::new("between");
        let (path, first) = (folder.0.join("body"), OnceLock::new());
        fs::write(&path, b"first").expect("written");
        FileSource::open(&path, None, &first).await.expect("opened");
        FileSource::open(&path, None, &first).await.expect("the same");
        fs::write(&path, b"other").expect("written");
        assert_eq!(FileSource::open(&path, None, &first).await.expect_err("another").code, code::SOURCE_CHANGED);
    }

    #[tokio::test]
    async fn what_is_no_regular_file_is_refused() {
        let folder = Folder::new("kinds");
        assert_eq!(open(&folder.0.join("none")).await.expect_err("not there").code, code::INVALID_BODY);
        assert_eq!(open(&folder.0).await.expect_err("a folder").code, code::INVALID_BODY);
        let sparse = folder.0.join("sparse");
        File::create(&sparse).and_then(|file| file.set_len(3 * PIECE_BYTES as u64)).expect("made");
        assert_eq!(read_to_end(&mut open(&sparse).await.expect("opened")).await, None);
        #[cfg(target_os = "linux")]
        {
            assert_eq!(open(Path::new("/dev/zero")).await.expect_err("a device").code, code::INVALID_BODY);
            let mut of_kernel = open(Path::new("/proc/self/status")).await.expect("opened");
            assert_eq!(read_to_end(&mut of_kernel).await.as_deref(), Some(code::SOURCE_LENGTH));
        }
    }
}
