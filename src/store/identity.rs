//! The identity of a write: one metadata entry that every PutObject and CreateMultipartUpload of ours carries.
//!
//! It names the operation, so that an object can be distinguished from another one with the same bytes, and it holds what orders
//! two writes without trusting `Last-Modified` of a copy or the clocks of two servers (docs/adr/0018). Copies keep it
//! verbatim and add a nonce of their own. It never reaches a caller's `metadata`, and callers cannot set it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// The metadata entry's name, without `x-amz-meta-`.
pub const METADATA_NAME: &str = "reliable-r2";
/// The entry's largest size, name and value together. Callers' metadata has what this leaves of the storage's limit.
pub const MAX_ENTRY_BYTES: usize = 160;

const VERSION: &str = "1";

/// What names one write of one storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WriteId {
    /// Of the storage in its process: random.
    pub writer: u64,
    /// Counts the writer's operations, in the order in which they started.
    pub sequence: u64,
}

/// A primary endpoint and bucket. A hash: metadata may be public, and an R2 host names the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrimaryId(u64);

impl PrimaryId {
    /// `origin` is the endpoint's scheme, host and port.
    pub fn of(origin: &str, bucket: &str) -> Self {
        let digest = Sha256::digest(format!("{origin}/{bucket}"));
        let (head, _) = digest.as_slice().split_first_chunk().unwrap_or((&[0; 8], &[]));
        Self(u64::from_be_bytes(*head))
    }
}

/// What an object is besides the data of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ObjectState {
    /// The object of a write, or a copy of it.
    #[default]
    Stored,
    /// Held by a spare until it is copied to the primary.
    Pending,
    /// A placeholder without data: a copy of the write is about to replace it.
    Reserved,
    /// A placeholder without data at a spare that cannot delete conditionally: the write was settled.
    Settled,
}

/// Which write an object is of, and what is known of its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteIdentity {
    pub id: WriteId,
    /// All of this writer's operations on the key with a lower sequence number had ended when this one started.
    pub ended_before: u64,
    /// The primary that the write was meant for.
    pub primary: PrimaryId,
    /// Not before this time of the primary's clock was the write stored. Absent where that clock was not known.
    pub not_before: Option<SystemTime>,
    /// Not after this time of the primary's clock was the write stored. Only copies know.
    pub not_after: Option<SystemTime>,
    pub state: ObjectState,
    /// Names the copy; absent where the writer itself stored it.
    pub copy: Option<u64>,
}

impl WriteIdentity {
    /// Whether this write is known to have been stored after `other` by the order in which their writer ran them.
    pub const fn follows(&self, other: &Self) -> bool {
        self.id.writer == other.id.writer && other.id.sequence < self.ended_before
    }

    /// The same write in another state, copied by nobody yet.
    #[must_use]
    pub fn in_state(&self, state: ObjectState) -> Self {
        Self { state, ..self.clone() }
    }

    /// None for a text that this version did not write.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.trim().split(';');
        if text.len() > MAX_ENTRY_BYTES || fields.next() != Some(VERSION) {
            return None;
        }
        let fields: BTreeMap<&str, &str> = fields.map(|field| field.split_once('=')).collect::<Option<_>>()?;
        let number = |name| fields.get(name).map(|text| u64::from_str_radix(text, 16)).transpose().ok();
        let time = |name| Some(number(name)?.and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms))));
        let id = WriteId { writer: number("w")??, sequence: number("n")?? };
        Some(Self {
            id,
            ended_before: number("e")?.unwrap_or(id.sequence).min(id.sequence),
            primary: PrimaryId(number("p")??),
            not_before: time("b")?,
            not_after: time("a")?,
            state: match fields.get("s") {
                None => ObjectState::Stored,
                Some(&"pending") => ObjectState::Pending,
                Some(&"reserved") => ObjectState::Reserved,
                Some(&"settled") => ObjectState::Settled,
                Some(_) => return None,
            },
            copy: number("c")?,
        })
    }
}

impl fmt::Display for WriteIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION};w={:x};n={:x}", self.id.writer, self.id.sequence)?;
        if self.ended_before < self.id.sequence {
            write!(f, ";e={:x}", self.ended_before)?;
        }
        write!(f, ";p={:x}", self.primary.0)?;
        for (name, time) in [("b", self.not_before), ("a", self.not_after)] {
            if let Some(time) = time {
                write!(f, ";{name}={:x}", milliseconds(time))?;
            }
        }
        f.write_str(match self.state {
            ObjectState::Stored => "",
            ObjectState::Pending => ";s=pending",
            ObjectState::Reserved => ";s=reserved",
            ObjectState::Settled => ";s=settled",
        })?;
        self.copy.map_or(Ok(()), |copy| write!(f, ";c={copy:x}"))
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Takes the identity out of an object's metadata.
pub fn take_from(metadata: &mut BTreeMap<String, String>) -> Option<WriteIdentity> {
    metadata.remove(METADATA_NAME).and_then(|text| WriteIdentity::parse(&text))
}

/// Metadata as it goes to the storage: the caller's, and the identity.
pub fn with_entry(metadata: &BTreeMap<String, String>, write: Option<&WriteIdentity>) -> BTreeMap<String, String> {
    let mut all = metadata.clone();
    if let Some(write) = write {
        all.insert(METADATA_NAME.to_owned(), write.to_string());
    }
    all
}

/// Gives the operations of one storage their ids.
#[derive(Debug)]
pub struct Writer {
    id: u64,
    next: AtomicU64,
    /// Operations that have not ended, with their objects.
    running: Arc<Mutex<BTreeMap<u64, String>>>,
}

impl Writer {
    /// # Errors
    /// A system without randomness.
    pub fn new() -> Result<Self> {
        Ok(Self { id: random()?, next: AtomicU64::new(1), running: Arc::default() })
    }

    /// Starts an operation that writes to an object. It ends when what is returned is dropped.
    pub fn start(&self, bucket: &str, key: &str) -> WriteTicket {
        let mut object = String::with_capacity(bucket.len() + 1 + key.len());
        let _ = write!(object, "{bucket}/{key}");
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that the numbers are taken in the order of the entries.
        let sequence = self.next.fetch_add(1, Ordering::Relaxed);
        let earlier = running.iter().find(|(_, other)| **other == object);
        let ended_before = earlier.map_or(sequence, |(&earlier, _)| earlier);
        running.insert(sequence, object);
        drop(running);
        let id = WriteId { writer: self.id, sequence };
        WriteTicket { id, ended_before, running: Arc::clone(&self.running) }
    }
}

/// An operation that has not ended.
#[derive(Debug)]
pub struct WriteTicket {
    pub id: WriteId,
    pub ended_before: u64,
    running: Arc<Mutex<BTreeMap<u64, String>>>,
}

impl Drop for WriteTicket {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id.sequence);
    }
}

/// A number that nobody can guess: of a writer, of a copy, of a placeholder.
///
/// # Errors
/// A system without randomness.
pub fn random() -> Result<u64> {
    let mut bytes = [0; 8];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::internal("the system gave no random numbers"))?;
    Ok(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> WriteIdentity {
        WriteIdentity {
            id: WriteId { writer: 0xfeed, sequence: 7 },
            ended_before: 5,
            primary: PrimaryId::of("https://a.example", "pictures"),
            not_before: Some(UNIX_EPOCH + Duration::from_millis(1_764_540_000_123)),
            not_after: None,
            state: ObjectState::Pending,
            copy: None,
        }
    }

    #[test]
    fn an_identity_is_the_same_after_its_text() {
        let written = identity();
        let copied = WriteIdentity {
            not_before: None,
            not_after: Some(UNIX_EPOCH + Duration::from_secs(5)),
            state: ObjectState::Stored,
            copy: Some(u64::MAX),
            ..identity()
        };
        for identity in
            [written.in_state(ObjectState::Reserved), written.in_state(ObjectState::Settled), written, copied]
        {
            assert_eq!(WriteIdentity::parse(&identity.to_string()), Some(identity));
        }
    }

    #[test]
    fn the_largest_entry_fits_what_is_kept_free_for_it() {
        let last = UNIX_EPOCH + Duration::from_millis(0xffff_ffff_ffff);
        let largest = WriteIdentity {
            id: WriteId { writer: u64::MAX, sequence: u64::MAX },
            ended_before: u64::MAX - 1,
            primary: PrimaryId(u64::MAX),
            not_before: Some(last),
            not_after: Some(last),
            state: ObjectState::Reserved,
            copy: Some(u64::MAX),
        };
        let size = METADATA_NAME.len() + largest.to_string().len();
        assert!(size <= MAX_ENTRY_BYTES, "{size}");
        assert_eq!(WriteIdentity::parse(&largest.to_string()), Some(largest));
    }

    #[test]
    fn what_this_version_did_not_write_is_no_identity() {
        let sound = identity().to_string();
        for text in
            ["", "1", "2;w=1;n=1;p=1", "1;w=1;n=1", "1;w=x;n=1;p=1", "1;w=1;n=1;p=1;s=other", "1;w=1;n=1;p=1;b=-"]
        {
            assert_eq!(WriteIdentity::parse(text), None, "{text}");
        }
        assert_eq!(WriteIdentity::parse(&sound.replace('=', ":")), None);
        assert_eq!(WriteIdentity::parse(&"1;".repeat(1000)), None);
    }

    #[test]
    fn a_write_follows_those_of_its_writer_that_had_ended() {
        let writer = Writer::new().expect("randomness");
        let of =
            |ticket: &WriteTicket| WriteIdentity { id: ticket.id, ended_before: ticket.ended_before, ..identity() };
        let (first, elsewhere) = (writer.start("b", "k"), writer.start("b", "other"));
        let beside = writer.start("b", "k");
        let (one, two) = (of(&first), of(&beside));
        assert!(!two.follows(&one), "the first has not ended");
        drop(first);
        let third = of(&writer.start("b", "k"));
        assert!(third.follows(&one) && !third.follows(&two), "the second has not ended");
        drop((beside, elsewhere));
        let last = of(&writer.start("b", "k"));
        assert!(last.follows(&one) && last.follows(&two) && last.follows(&third) && !one.follows(&last));
        let other = Writer::new().expect("randomness").start("b", "k");
        assert!(!of(&other).follows(&one), "another writer");
    }
}
