//! The operations on uploads in parts, except the parts' own bytes. The AWS SDK writes and reads those that make an
//! upload; those of `abortIncompleteUploads` meet keys of other clients, which the SDK refuses or changes.

use aws_sdk_s3::operation::RequestId as _;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use http::Method;

use super::S3Store;
use super::error::{incomplete, next_page};
use super::objects::{is_truncated, name_of, time_of};
use super::put::{condition_headers, headers_of};
use super::sdk::{self, describe};
use super::settings::unquoted;
use super::sign::query_of;
use crate::error::Result;
use crate::net::limits::MAX_ID_BYTES;
use crate::store::multipart::{
    CreateMultipart, IncompleteUpload, ListUploads, ListedPart, MultipartUpload, PartPage, StoredPart, UploadPage,
};
use crate::store::types::{PutOutcome, WriteCondition};

impl S3Store {
    pub(super) async fn create(&self, request: &CreateMultipart) -> Result<MultipartUpload> {
        let proof = self.data.proof_of_parts();
        proof.unless_refused(proof.wants_checksum(), |with_checksums| self.create_as(request, with_checksums)).await
    }

    async fn create_as(&self, request: &CreateMultipart, has_checksums: bool) -> Result<MultipartUpload> {
        let headers = headers_of(&request.headers, None)?;
        let call = self
            .sdk
            .create_multipart_upload()
            .bucket(request.object.bucket.as_str())
            .key(request.object.key.as_str())
            .set_checksum_algorithm(has_checksums.then_some(ChecksumAlgorithm::Crc64Nvme))
            .set_checksum_type(has_checksums.then_some(ChecksumType::FullObject))
            .customize()
            .mutate_request(move |request| sdk::add_headers(request, &headers));
        let created = sdk::boxed(call.send()).await.map_err(describe)?;
        let fits = |id: &String| (1..=MAX_ID_BYTES).contains(&id.len());
        let upload_id = created.upload_id().map(str::to_owned).filter(fits);
        let upload_id = upload_id.ok_or_else(|| incomplete("an upload id", self.origin()))?;
        Ok(MultipartUpload { object: request.object.clone(), upload_id, has_checksums })
    }

    pub(super) async fn complete(
        &self,
        upload: &MultipartUpload,
        parts: &[StoredPart],
        condition: Option<&WriteCondition>,
    ) -> Result<PutOutcome> {
        let parts = parts.iter().map(|part| {
            let number = i32::try_from(part.number).unwrap_or(i32::MAX);
            CompletedPart::builder().part_number(number).e_tag(format!("\"{}\"", part.etag)).build()
        });
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
        let headers = condition_headers(condition)?;
        let call = self
            .sdk
            .complete_multipart_upload()
            .bucket(upload.object.bucket.as_str())
            .key(upload.object.key.as_str())
            .upload_id(&upload.upload_id)
            .multipart_upload(parts)
            .customize()
            .mutate_request(move |request| sdk::add_headers(request, &headers));
        let completed = sdk::boxed(call.send()).await.map_err(describe)?;
        // A 200 can begin before the outcome is known; one that does not name the object says nothing.
        let etag = completed.e_tag().map(unquoted).ok_or_else(|| incomplete("an ETag", self.origin()))?;
        let request_id = completed.request_id().map(|id| self.origin().text(id, 100));
        Ok(PutOutcome { etag: Some(etag), request_id, confirmed_by_head: false })
    }

    pub(super) async fn abort(&self, upload: &MultipartUpload) -> Result<()> {
        let path = upload.object.key.path_in(&upload.object.bucket);
        let query = query_of(&[("uploadId", Some(&upload.upload_id))]);
        match self.ask(Method::DELETE, &path, &query).await {
            Ok(response) => self.client.finish(response).await.map(drop),
            // Aborted already, or completed: there is nothing left to abort.
            Err(error) if error.code == "NoSuchUpload" => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn parts(&self, upload: &MultipartUpload, continuation: Option<&str>) -> Result<PartPage> {
        let call = self
            .sdk
            .list_parts()
            .bucket(upload.object.bucket.as_str())
            .key(upload.object.key.as_str())
            .upload_id(&upload.upload_id)
            .set_part_number_marker(continuation.map(str::to_owned));
        let page = sdk::boxed(call.send()).await.map_err(describe)?;
        let parts = page.parts().iter().filter_map(|part| {
            let number = u32::try_from(part.part_number()?).ok()?;
            let stored = StoredPart { number, etag: unquoted(part.e_tag()?) };
            Some(ListedPart { part: stored, size: u64::try_from(part.size()?).ok()? })
        });
        let continuation = page.next_part_number_marker().map(str::to_owned);
        Ok(PartPage {
            parts: parts.collect(),
            continuation: next_page(page.is_truncated(), continuation, self.origin())?,
        })
    }

    pub(super) async fn uploads(&self, request: &ListUploads) -> Result<UploadPage> {
        let (key_marker, id_marker) = request.continuation.as_ref().map(|(key, id)| (&**key, &**id)).unzip();
        let query = query_of(&[
            ("encoding-type", Some("url")),
            ("key-marker", key_marker),
            ("prefix", Some(&*request.prefix).filter(|prefix| !prefix.is_empty())),
            ("upload-id-marker", id_marker),
            ("uploads", Some("")),
        ]);
        let response = self.ask(Method::GET, &request.bucket.path(), &query).await?;
        let (_, page) = self.client.xml(response, "ListMultipartUploadsResult").await?;
        let uploads = page.all("Upload").map(|upload| {
            // Without one, to abort the upload would be to delete the object.
            let upload_id = upload.text_of("UploadId").filter(|id| !id.is_empty());
            Ok(IncompleteUpload {
                key: name_of(&page, upload.text_of("Key"), self.origin())?,
                upload_id: upload_id.ok_or_else(|| incomplete("an upload id", self.origin()))?.to_owned(),
                initiated: upload.text_of("Initiated").and_then(time_of),
            })
        });
        let uploads = uploads.collect::<Result<_>>()?;
        let next_key = page.text_of("NextKeyMarker").filter(|key| !key.is_empty());
        let next_key = next_key.map(|key| name_of(&page, Some(key), self.origin())).transpose()?;
        let next = next_key.zip(page.text_of("NextUploadIdMarker").map(str::to_owned));
        Ok(UploadPage { uploads, continuation: next_page(is_truncated(&page), next, self.origin())? })
    }
}
