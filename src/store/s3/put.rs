//! The operations that carry an object's bytes: PutObject and UploadPart.

use std::sync::Arc;

use http::Method;
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
};
use percent_encoding::utf8_percent_encode;

use super::client::{Headers, Outgoing, SignedClient};
use super::error::foreign;
use super::integrity::{self, CHECKSUM, Evidence, Proof};
use super::request_body::UploadBody;
use super::response::{S3Operation, strong_etag};
use super::settings::{if_match, if_none_match, if_unmodified_since, unbuildable};
use super::sign::UNSIGNED_PAYLOAD;
use crate::error::Result;
use crate::net::headers::text;
use crate::store::digest::{Payload, is_md5};
use crate::store::multipart::UploadPart;
use crate::store::object_header::ROWS;
use crate::store::objects::ObjectRef;
use crate::store::types::{ObjectHeaders, ProgressSink, PutObject, WriteCondition};
use crate::store::uri_encoding::QUERY;

static IDENTITY: HeaderName = HeaderName::from_static("x-amz-meta-reliable-r2");

#[derive(Debug)]
pub(super) struct DataOperations {
    client: Arc<SignedClient>,
    is_tls: bool,
    puts: Proof,
    parts: Proof,
}

/// One request of them.
struct Draft<'a> {
    operation: S3Operation,
    path: String,
    query: String,
    headers: Headers,
    body: &'a Payload,
    verify_integrity: bool,
    proof: &'a Proof,
    progress: Option<&'a ProgressSink>,
}

/// A success of the storage's.
#[derive(Debug)]
pub(super) struct Sent {
    /// Without its quotes.
    pub(super) etag: String,
    pub(super) request_id: Option<String>,
    /// Whether the checksum or the MD5 proves that the bytes are stored, or the caller does not want to know. Without
    /// proof, or without the one that this endpoint has always given, the storage is asked what it holds.
    pub(super) is_proven: bool,
    with_checksum: bool,
}

impl DataOperations {
    pub(super) fn new(client: Arc<SignedClient>, is_tls: bool) -> Self {
        Self { client, is_tls, puts: Proof::default(), parts: Proof::default() }
    }

    pub(super) async fn put_object(&self, request: &PutObject) -> Result<Sent> {
        let draft = || {
            Ok(Draft {
                operation: S3Operation::PutObject,
                path: request.key.path_in(&request.bucket),
                query: "x-id=PutObject".to_owned(),
                headers: headers_of(&request.headers, request.condition.as_ref())?,
                body: &request.body,
                verify_integrity: request.verify_integrity,
                proof: &self.puts,
                progress: request.progress.as_ref(),
            })
        };
        let with_checksum = request.verify_integrity && self.puts.wants_checksum();
        self.puts.unless_refused(with_checksum, |with_checksum| self.send(draft(), with_checksum)).await
    }

    pub(super) async fn upload_part(&self, request: &UploadPart) -> Result<Sent> {
        let ObjectRef { bucket, key } = &request.upload.object;
        let upload_id = utf8_percent_encode(&request.upload.upload_id, QUERY);
        let draft = || {
            Ok(Draft {
                operation: S3Operation::UploadPart,
                path: key.path_in(bucket),
                query: format!("partNumber={}&uploadId={upload_id}&x-id=UploadPart", request.number),
                headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))],
                body: &request.body,
                verify_integrity: request.verify_integrity,
                proof: &self.parts,
                progress: request.progress.as_ref(),
            })
        };
        let with_checksum = request.upload.has_checksums;
        self.parts.unless_refused(with_checksum, |with_checksum| self.send(draft(), with_checksum)).await
    }

    /// The storage holds what was sent without proof: that is how this endpoint is from now on.
    pub(super) fn confirm(&self, operation: S3Operation, sent: &Sent) {
        let proof = if operation == S3Operation::UploadPart { &self.parts } else { &self.puts };
        proof.saw(sent.with_checksum.then_some(false), &sent.etag);
    }

    /// How it is proven that objects and parts have arrived.
    pub(super) fn proofs(&self) -> [Option<&'static str>; 2] {
        [self.puts.name(), self.parts.name()]
    }

    pub(super) const fn proof_of_parts(&self) -> &Proof {
        &self.parts
    }

    async fn send(&self, draft: Result<Draft<'_>>, with_checksum: bool) -> Result<Sent> {
        let Draft { operation, path, query, mut headers, body, verify_integrity, proof, progress } = draft?;
        let origin = &self.client.origin;
        let checksum = if with_checksum { Some(body.crc64nvme().text().await) } else { None };
        let expected = if verify_integrity { proof.expected(with_checksum) } else { None };
        if expected == Some(Evidence::Md5) {
            // Computed while the body goes out, to be there when the response is.
            body.md5();
        }
        let payload = if self.is_tls && expected.is_some() { UNSIGNED_PAYLOAD } else { body.sha256().text().await };
        let bytes = body.bytes();
        headers.push((CONTENT_LENGTH, HeaderValue::from(bytes.len())));
        if let Some(checksum) = checksum {
            headers.push((CHECKSUM.clone(), HeaderValue::from_str(checksum).map_err(unbuildable)?));
        }
        let outgoing = Outgoing { headers, ..Outgoing::new(Method::PUT, &path, &query) };
        let response = self.client.send(outgoing, payload, UploadBody::new(bytes.clone(), progress.cloned())).await?;
        let response = self.client.checked(operation, response).await?;
        let status = response.status();
        let headers = self.client.finish(response).await?;
        let etag = strong_etag(&headers).map_err(|why| foreign(why, status, origin))?.to_owned();
        let mut is_proven = true;
        if verify_integrity {
            let verified = checksum.zip(headers.get(&CHECKSUM));
            match verified {
                Some((sent, verified)) => integrity::verify_checksum(verified.as_bytes(), sent, origin)?,
                None => integrity::verify_integrity(&etag, body, origin).await?,
            }
            is_proven = verified.is_some() || is_md5(&etag) && expected != Some(Evidence::Checksum);
            if is_proven {
                proof.saw(checksum.map(|_| verified.is_some()), &etag);
            }
        }
        let request_id = text(&headers, "x-amz-request-id").map(|id| origin.text(id, 100));
        Ok(Sent { etag, request_id, is_proven, with_checksum })
    }
}

/// What is stored with an object, and when.
pub(super) fn headers_of(headers: &ObjectHeaders, condition: Option<&WriteCondition>) -> Result<Headers> {
    let ObjectHeaders { content_type, values, metadata, write } = headers;
    let mut headers = Vec::with_capacity(16 + metadata.len());
    let mut add = |name: HeaderName, value: &str| -> Result<()> {
        headers.push((name, HeaderValue::from_str(value).map_err(unbuildable)?));
        Ok(())
    };
    add(CONTENT_TYPE, content_type)?;
    for row in ROWS {
        if let Some(value) = values.get(&row.header) {
            add(HeaderName::from_static(row.name), value)?;
        }
    }
    for (name, value) in metadata {
        let name = HeaderName::try_from(format!("x-amz-meta-{name}")).map_err(unbuildable)?;
        add(name, value)?;
    }
    if let Some(write) = write {
        add(IDENTITY.clone(), &write.to_string())?;
    }
    headers.extend(condition_headers(condition)?);
    Ok(headers)
}

pub(super) fn condition_headers(condition: Option<&WriteCondition>) -> Result<Headers> {
    let all = [
        (IF_NONE_MATCH, if_none_match(condition)),
        (IF_MATCH, if_match(condition)),
        (IF_UNMODIFIED_SINCE, if_unmodified_since(condition)),
    ];
    let given = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
    given.map(|(name, value)| Ok((name, HeaderValue::from_str(&value).map_err(unbuildable)?))).collect()
}
