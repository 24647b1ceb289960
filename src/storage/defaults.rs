//! The only home of the defaults.

use std::time::Duration;

use crate::resilience::Preset;
use crate::transfer::multipart::MultipartOptions;

pub const RETRY: Preset = Preset::FileUpload;
pub const REGION: &str = "auto";
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Without a byte moving.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Without a byte given by, or taken by, the program itself.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
pub const VERIFY_INTEGRITY: bool = true;
/// Far more than a disk or a network needs to be busy, far fewer than the descriptors of a process.
pub const MAX_CONNECTIONS: usize = 256;
/// R2 takes one write a second to a key and responds to more with 429.
pub const R2_WRITE_SPACING: Duration = Duration::from_secs(1);
/// 100 MiB.
pub const MAX_DOWNLOAD_BYTES: u64 = 100 * 1024 * 1024;
/// Uploads in flight at once in `uploadFiles`.
pub const UPLOAD_CONCURRENCY: u32 = 4;
/// Objects up to 16 MiB in one request, larger ones in parts of 8 MiB, four at a time: R2 has responded
/// more than that with 500 now and then.
pub const MULTIPART: MultipartOptions =
    MultipartOptions { threshold: 16 * 1024 * 1024, part_bytes: 8 * 1024 * 1024, concurrency: 4 };
