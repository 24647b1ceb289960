//! `s3s-fs`, and where it is not like R2: buckets must be there, storage classes are R2's, uploads in parts can be
//! listed, their parts have ETags and verified checksums and are equal but for the last, and an unknown upload is
//! `NoSuchUpload`.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hyper::http::{Extensions, HeaderMap, Method};
use md5::{Digest as _, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc64Nvme};
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::sync::RwLock;

const MAX_PAGE: i32 = 1000;

/// Which conditions of writes and removals the server checks; it ignores all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conditions {
    /// `If-Match`, `If-None-Match` and `If-Unmodified-Since` of writes, `x-amz-if-match-last-modified-time` of removals.
    #[default]
    R2,
    /// `If-Match` and `If-None-Match` of writes, `If-Match` of removals.
    S3,
    /// Of writes only, as S3.
    Put,
    None,
}

impl std::str::FromStr for Conditions {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "r2" => Ok(Self::R2),
            "s3" => Ok(Self::S3),
            "put" => Ok(Self::Put),
            "none" => Ok(Self::None),
            _ => Err("conditions are one of r2, s3, put, none".to_owned()),
        }
    }
}

pub struct Files {
    inner: FileSystem,
    root: PathBuf,
    conditions: Conditions,
    /// A write with a condition is the only one while it looks and writes.
    writes: RwLock<()>,
}

impl Files {
    /// # Errors
    /// A folder that cannot be used.
    pub fn new(root: &Path, conditions: Conditions) -> io::Result<Self> {
        let inner = FileSystem::new(root).map_err(|error| io::Error::other(format!("{error:?}")))?;
        Ok(Self { inner, root: root.to_owned(), conditions, writes: RwLock::default() })
    }

    fn entries(&self) -> io::Result<impl Iterator<Item = (String, DirEntry)>> {
        let entries = fs::read_dir(&self.root)?.filter_map(Result::ok);
        Ok(entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry))))
    }

    /// The uploads of a bucket that were begun and not ended, in the order that S3 lists them.
    fn uploads(&self, bucket: &str) -> io::Result<Vec<MultipartUpload>> {
        let prefix = format!(".bucket-{}.object-", BASE64_URL_SAFE_NO_PAD.encode(bucket));
        let mut uploads = Vec::new();
        for (name, entry) in self.entries()? {
            let rest = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".metadata.json"));
            let Some((key, id)) = rest.and_then(|rest| rest.split_once(".upload-")) else { continue };
            let Some(key) = BASE64_URL_SAFE_NO_PAD.decode(key).ok().and_then(|key| String::from_utf8(key).ok()) else {
                continue;
            };
            let initiated = entry.metadata()?.modified()?;
            uploads.push(MultipartUpload {
                key: Some(key),
                upload_id: Some(id.to_owned()),
                initiated: Some(initiated.into()),
                ..Default::default()
            });
        }
        uploads.sort_by(|a, b| (&a.key, &a.upload_id).cmp(&(&b.key, &b.upload_id)));
        Ok(uploads)
    }

    fn part(&self, upload_id: &str, number: i32) -> PathBuf {
        self.root.join(format!(".upload_id-{upload_id}.part-{number}"))
    }

    fn parts(&self, upload_id: &str) -> io::Result<Vec<Part>> {
        let prefix = format!(".upload_id-{upload_id}.part-");
        let mut parts = Vec::new();
        for (name, entry) in self.entries()? {
            let Some(number) = name.strip_prefix(&prefix).and_then(|number| number.parse().ok()) else { continue };
            let bytes = fs::read(entry.path())?;
            let md5: String = Md5::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            parts.push(Part {
                part_number: Some(number),
                size: i64::try_from(bytes.len()).ok(),
                e_tag: Some(ETag::Strong(md5)),
                last_modified: Some(entry.metadata()?.modified()?.into()),
                ..Default::default()
            });
        }
        parts.sort_by_key(|part| part.part_number);
        Ok(parts)
    }

    /// When an object was stored, in whole seconds.
    fn modified(&self, bucket: &str, key: &str) -> Option<u64> {
        let time = fs::metadata(self.root.join(bucket).join(key)).and_then(|it| it.modified()).ok()?;
        time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
    }

    fn require_unmodified(&self, bucket: &str, key: &str, headers: &HeaderMap) -> S3Result<()> {
        let since = headers
            .get("if-unmodified-since")
            .and_then(|value| value.to_str().ok())
            .filter(|_| self.conditions == Conditions::R2);
        let since = since.and_then(|date| httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok());
        match since.zip(self.modified(bucket, key)) {
            Some((since, modified)) if modified > since.as_secs() => Err(unmet()),
            _ => Ok(()),
        }
    }

    async fn require_version(&self, request: &S3Request<DeleteObjectInput>) -> S3Result<()> {
        let DeleteObjectInput { bucket, key, if_match, .. } = &request.input;
        match self.conditions {
            Conditions::R2 => {
                let time =
                    request.headers.get("x-amz-if-match-last-modified-time").and_then(|value| value.to_str().ok());
                let time = time.and_then(|date| httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok());
                let holds = time.is_none_or(|time| self.modified(bucket, key) == Some(time.as_secs()));
                if holds { Ok(()) } else { Err(unmet()) }
            }
            Conditions::S3 => {
                let Some(expected) = if_match.as_ref().and_then(|condition| condition.as_etag()) else { return Ok(()) };
                let head = HeadObjectInput { bucket: bucket.clone(), key: key.clone(), ..Default::default() };
                let head = S3Request {
                    input: head,
                    method: Method::HEAD,
                    uri: request.uri.clone(),
                    headers: HeaderMap::default(),
                    extensions: Extensions::default(),
                    credentials: request.credentials.clone(),
                    region: request.region.clone(),
                    service: request.service.clone(),
                    trailing_headers: None,
                };
                let there = self.inner.head_object(head).await.ok();
                let etag = there.and_then(|there| there.output.e_tag);
                if etag.as_ref() == Some(expected) { Ok(()) } else { Err(unmet()) }
            }
            Conditions::Put | Conditions::None => Ok(()),
        }
    }

    fn require_bucket(&self, bucket: &str) -> S3Result<()> {
        if self.root.join(bucket).is_dir() { Ok(()) } else { Err(s3_error!(NoSuchBucket, "there is no such bucket")) }
    }

    fn require_upload(&self, upload_id: &str) -> S3Result<()> {
        let known = !upload_id.contains(['/', '\\']) && self.root.join(format!(".upload-{upload_id}.json")).exists();
        if known {
            Ok(())
        } else {
            Err(s3_error!(NoSuchUpload, "the upload is unknown: completed, aborted or expired"))
        }
    }
}

/// R2's two classes are one here: `s3s-fs` knows of none.
fn accepted(class: Option<StorageClass>) -> S3Result<Option<StorageClass>> {
    match class.as_ref().map(StorageClass::as_str) {
        None | Some("STANDARD" | "STANDARD_IA") => Ok(None),
        Some(_) => Err(s3_error!(InvalidStorageClass, "R2 has STANDARD and STANDARD_IA")),
    }
}

/// `s3s-fs` verifies the checksums of objects only. A part with another is not kept.
fn verify(part: &Path, crc64nvme: &str) -> S3Result<()> {
    let mut hasher = ChecksumHasher { crc64nvme: Some(Crc64Nvme::new()), ..Default::default() };
    hasher.update(&fs::read(part).map_err(internal)?);
    if hasher.finalize().checksum_crc64nvme.as_deref() == Some(crc64nvme) {
        return Ok(());
    }
    fs::remove_file(part).map_err(internal)?;
    Err(s3_error!(BadDigest, "The CRC64NVME you specified did not match what we received"))
}

fn is_url(encoding: Option<&EncodingType>) -> bool {
    encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL)
}

/// `s3s-fs` says that it encodes the names of a list where it was asked to, and does not.
fn encode_names(list: &mut ListObjectsV2Output) {
    let names = [&mut list.prefix, &mut list.delimiter, &mut list.start_after];
    let keys = list.contents.iter_mut().flatten().map(|object| &mut object.key);
    let prefixes = list.common_prefixes.iter_mut().flatten().map(|common| &mut common.prefix);
    for name in names.into_iter().chain(keys).chain(prefixes).flatten() {
        *name = url_encoded(name);
    }
}

fn url_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn unmet() -> s3s::S3Error {
    s3_error!(PreconditionFailed, "At least one of the preconditions did not hold.")
}

fn internal(error: io::Error) -> s3s::S3Error {
    s3_error!(error, InternalError)
}

/// Operations that `s3s-fs` does itself.
macro_rules! delegate {
    ($($operation:ident($input:ident) -> $output:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Files {
            $(async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.inner.$operation(request).await
            })*

            async fn put_object(
                &self,
                mut request: S3Request<PutObjectInput>,
            ) -> S3Result<S3Response<PutObjectOutput>> {
                self.require_bucket(&request.input.bucket)?;
                request.input.storage_class = accepted(request.input.storage_class)?;
                if self.conditions == Conditions::None {
                    (request.input.if_match, request.input.if_none_match) = (None, None);
                }
                let names = |name| request.headers.contains_key(name);
                if !["if-match", "if-none-match", "if-unmodified-since"].into_iter().any(names) {
                    let _writing = self.writes.read().await;
                    return self.inner.put_object(request).await;
                }
                let _writing = self.writes.write().await;
                self.require_unmodified(&request.input.bucket, &request.input.key, &request.headers)?;
                self.inner.put_object(request).await
            }

            async fn list_objects_v2(
                &self,
                request: S3Request<ListObjectsV2Input>,
            ) -> S3Result<S3Response<ListObjectsV2Output>> {
                let is_encoded = is_url(request.input.encoding_type.as_ref());
                let mut response = self.inner.list_objects_v2(request).await?;
                if is_encoded {
                    encode_names(&mut response.output);
                }
                Ok(response)
            }

            async fn delete_object(
                &self,
                request: S3Request<DeleteObjectInput>,
            ) -> S3Result<S3Response<DeleteObjectOutput>> {
                let _writing = self.writes.write().await;
                self.require_version(&request).await?;
                self.inner.delete_object(request).await
            }

            async fn create_multipart_upload(
                &self,
                mut request: S3Request<CreateMultipartUploadInput>,
            ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
                self.require_bucket(&request.input.bucket)?;
                request.input.storage_class = accepted(request.input.storage_class)?;
                self.inner.create_multipart_upload(request).await
            }

            async fn upload_part(
                &self,
                request: S3Request<UploadPartInput>,
            ) -> S3Result<S3Response<UploadPartOutput>> {
                let UploadPartInput { upload_id, part_number, checksum_crc64nvme: expected, .. } = &request.input;
                self.require_upload(upload_id)?;
                let (path, expected) = (self.part(upload_id, *part_number), expected.clone());
                let mut reply = self.inner.upload_part(request).await?;
                if let Some(expected) = expected {
                    verify(&path, &expected)?;
                    reply.output.checksum_crc64nvme = Some(expected);
                }
                Ok(reply)
            }

            async fn list_multipart_uploads(
                &self,
                request: S3Request<ListMultipartUploadsInput>,
            ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
                let input = request.input;
                let mut uploads = self.uploads(&input.bucket).map_err(internal)?;
                let prefix = input.prefix.clone().unwrap_or_default();
                let after = (input.key_marker.unwrap_or_default(), input.upload_id_marker.unwrap_or_default());
                uploads.retain(|upload| {
                    let key = upload.key.clone().unwrap_or_default();
                    key.starts_with(&prefix) && (key, upload.upload_id.clone().unwrap_or_default()) > after
                });
                let most = usize::try_from(input.max_uploads.unwrap_or(MAX_PAGE)).unwrap_or(0);
                let truncated = uploads.len() > most;
                uploads.truncate(most);
                if is_url(input.encoding_type.as_ref()) {
                    for key in uploads.iter_mut().filter_map(|upload| upload.key.as_mut()) {
                        *key = url_encoded(key);
                    }
                }
                let last = uploads.last().filter(|_| truncated);
                Ok(S3Response::new(ListMultipartUploadsOutput {
                    bucket: Some(input.bucket),
                    encoding_type: input.encoding_type,
                    prefix: input.prefix,
                    is_truncated: Some(truncated),
                    next_key_marker: last.and_then(|upload| upload.key.clone()),
                    next_upload_id_marker: last.and_then(|upload| upload.upload_id.clone()),
                    uploads: Some(uploads),
                    ..Default::default()
                }))
            }

            async fn list_parts(
                &self,
                request: S3Request<ListPartsInput>,
            ) -> S3Result<S3Response<ListPartsOutput>> {
                let input = request.input;
                self.require_upload(&input.upload_id)?;
                let mut parts = self.parts(&input.upload_id).map_err(internal)?;
                let after = input.part_number_marker.unwrap_or(0);
                parts.retain(|part| part.part_number.is_some_and(|number| number > after));
                let most = usize::try_from(input.max_parts.unwrap_or(MAX_PAGE)).unwrap_or(0);
                let truncated = parts.len() > most;
                parts.truncate(most);
                let last = parts.last().filter(|_| truncated).and_then(|part| part.part_number);
                Ok(S3Response::new(ListPartsOutput {
                    bucket: Some(input.bucket),
                    key: Some(input.key),
                    upload_id: Some(input.upload_id),
                    is_truncated: Some(truncated),
                    next_part_number_marker: last,
                    parts: Some(parts),
                    ..Default::default()
                }))
            }

            async fn complete_multipart_upload(
                &self,
                request: S3Request<CompleteMultipartUploadInput>,
            ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
                let input = &request.input;
                self.require_upload(&input.upload_id)?;
                let stored = self.parts(&input.upload_id).map_err(internal)?;
                let named = input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref()).unwrap_or_default();
                let mut sizes = Vec::with_capacity(named.len());
                for part in named {
                    let there = stored.iter().find(|there| there.part_number == part.part_number);
                    let there = there.ok_or_else(|| s3_error!(InvalidPart, "a part is not there"))?;
                    if part.e_tag.as_ref().is_some_and(|etag| Some(etag) != there.e_tag.as_ref()) {
                        return Err(s3_error!(InvalidPart, "a part has another ETag"));
                    }
                    sizes.push(there.size);
                }
                let unequal = sizes.split_last().is_some_and(|(last, others)| {
                    others.windows(2).any(|pair| pair[0] != pair[1]) || others.first().is_some_and(|first| last > first)
                });
                if unequal {
                    return Err(s3_error!(InvalidPart, "All non-trailing parts must have the same length."));
                }
                let _writing = self.writes.write().await;
                self.require_unmodified(&input.bucket, &input.key, &request.headers)?;
                self.inner.complete_multipart_upload(request).await
            }

            async fn abort_multipart_upload(
                &self,
                request: S3Request<AbortMultipartUploadInput>,
            ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
                self.require_upload(&request.input.upload_id)?;
                self.inner.abort_multipart_upload(request).await
            }
        }
    };
}

delegate! {
    copy_object(CopyObjectInput) -> CopyObjectOutput;
    create_bucket(CreateBucketInput) -> CreateBucketOutput;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
    get_object(GetObjectInput) -> GetObjectOutput;
    head_bucket(HeadBucketInput) -> HeadBucketOutput;
    head_object(HeadObjectInput) -> HeadObjectOutput;
    list_buckets(ListBucketsInput) -> ListBucketsOutput;
    list_objects(ListObjectsInput) -> ListObjectsOutput;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput;
}
