//! Parts, by way of the AWS SDK.

use std::time::SystemTime;

use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};

use super::multipart::{
    CreateMultipart, ListUploads, ListedPart, MultipartUpload, OpenUpload, PartPage, StoredPart, UploadPage,
};
use super::s3::{S3Store, if_match, if_none_match, unquoted, with_headers};
use super::s3_error::{describe, incomplete, next_page};
use super::types::{PutOutcome, WriteCondition};
use crate::error::Result;

impl S3Store {
    pub(super) async fn create(&self, request: &CreateMultipart) -> Result<MultipartUpload> {
        let proof = self.data.proof_of_parts();
        proof.unless_refused(proof.may_be_a_checksum(), |with_checksums| self.create_as(request, with_checksums)).await
    }

    async fn create_as(&self, request: &CreateMultipart, has_checksums: bool) -> Result<MultipartUpload> {
        let call = self
            .client
            .create_multipart_upload()
            .bucket(request.object.bucket.as_str())
            .key(request.object.key.as_str())
            .set_checksum_algorithm(has_checksums.then_some(ChecksumAlgorithm::Crc64Nvme))
            .set_checksum_type(has_checksums.then_some(ChecksumType::FullObject));
        let call = with_headers!(call, &request.headers);
        let answer = Box::pin(call.send()).await.map_err(|error| describe(error, &self.origin))?;
        let upload_id =
            answer.upload_id().map(str::to_owned).ok_or_else(|| incomplete("an upload id", &self.origin))?;
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
        let call = self
            .client
            .complete_multipart_upload()
            .bucket(upload.object.bucket.as_str())
            .key(upload.object.key.as_str())
            .upload_id(&upload.upload_id)
            .set_if_none_match(if_none_match(condition))
            .set_if_match(if_match(condition))
            .multipart_upload(parts);
        let answer = Box::pin(call.send()).await.map_err(|error| describe(error, &self.origin))?;
        // A 200 can begin before the outcome is known; one that does not name the object says nothing.
        let etag = answer.e_tag().map(unquoted).ok_or_else(|| incomplete("an ETag", &self.origin))?;
        Ok(PutOutcome { etag: Some(etag), request_id: answer.request_id().map(str::to_owned), settled_by_head: false })
    }

    pub(super) async fn abort(&self, upload: &MultipartUpload) -> Result<()> {
        let call = self
            .client
            .abort_multipart_upload()
            .bucket(upload.object.bucket.as_str())
            .key(upload.object.key.as_str())
            .upload_id(&upload.upload_id);
        match Box::pin(call.send()).await.map_err(|error| describe(error, &self.origin)) {
            // Aborted already, or completed: there is nothing left to abort.
            Err(error) if error.code == "NoSuchUpload" => Ok(()),
            other => other.map(drop),
        }
    }

    pub(super) async fn parts(&self, upload: &MultipartUpload, continuation: Option<&str>) -> Result<PartPage> {
        let call = self
            .client
            .list_parts()
            .bucket(upload.object.bucket.as_str())
            .key(upload.object.key.as_str())
            .upload_id(&upload.upload_id)
            .set_part_number_marker(continuation.map(str::to_owned));
        let answer = Box::pin(call.send()).await.map_err(|error| describe(error, &self.origin))?;
        let parts = answer.parts().iter().filter_map(|part| {
            let number = u32::try_from(part.part_number()?).ok()?;
            let part_of = StoredPart { number, etag: unquoted(part.e_tag()?) };
            Some(ListedPart { part: part_of, size: u64::try_from(part.size()?).ok()? })
        });
        let continuation = answer.next_part_number_marker().map(str::to_owned);
        Ok(PartPage {
            parts: parts.collect(),
            continuation: next_page(answer.is_truncated(), continuation, &self.origin)?,
        })
    }

    pub(super) async fn uploads(&self, request: &ListUploads) -> Result<UploadPage> {
        let (key_marker, id_marker) = request.continuation.clone().unzip();
        let call = self
            .client
            .list_multipart_uploads()
            .bucket(request.bucket.as_str())
            .set_prefix((!request.prefix.is_empty()).then(|| request.prefix.clone()))
            .set_key_marker(key_marker)
            .set_upload_id_marker(id_marker);
        let answer = Box::pin(call.send()).await.map_err(|error| describe(error, &self.origin))?;
        let uploads = answer.uploads().iter().filter_map(|upload| {
            Some(OpenUpload {
                key: upload.key()?.to_owned(),
                upload_id: upload.upload_id()?.to_owned(),
                initiated: upload.initiated().and_then(|time| SystemTime::try_from(*time).ok()),
            })
        });
        let next = answer.next_key_marker().zip(answer.next_upload_id_marker());
        let next = next_page(answer.is_truncated(), next, &self.origin)?;
        Ok(UploadPage {
            uploads: uploads.collect(),
            continuation: next.map(|(key, id)| (key.to_owned(), id.to_owned())),
        })
    }
}
