//! The operations about objects that are stored already, by whichever client.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use futures_util::StreamExt as _;
use http::Method;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, RANGE};
use http_body_util::BodyDataStream;

use super::S3Store;
use super::client::{Headers, Outgoing};
use super::connection_pool::PooledBody;
use super::error::{Origin, describe_body, foreign, incomplete, next_page};
use super::object_info::{info_of, length_of, may_be_decompressed};
use super::response::strong_etag;
use super::settings::unbuildable;
use super::settings::unquoted;
use super::sign::query_of;
use super::xml::Element;
use crate::error::{Error, Result, code};
use crate::net::content_range;
use crate::net::headers::text;
use crate::secret::Secret;
use crate::store::objects::{
    GetRequest, ListPage, ListRequest, ListedObject, ObjectInfo, ObjectRef, PresignMethod, PresignRequest, Presigned,
    StoredObject,
};
use crate::store::types::ObjectVersion;

/// What a client sends that can decompress by itself, and so gets the stored bytes.
const ANY_CODING: &str = "gzip, br, zstd, deflate";

impl S3Store {
    pub(super) async fn head(&self, object: &ObjectRef) -> Result<ObjectInfo> {
        let response = match self.as_stored(Method::HEAD, object, &Headers::new()).await {
            // A page's 404. Some servers send theirs as one, and only GET has a body that says more.
            Err(error) if error.code == code::PROTOCOL && error.status.is_none() && error.source.is_none() => {
                let first_byte = GetRequest { object: object.clone(), range: Some((0, Some(0))), if_match: None };
                return Ok(Box::pin(self.get(&first_byte)).await?.info);
            }
            other => other?,
        };
        let headers = response.headers();
        strong_etag(headers).map_err(|why| foreign(why, response.status(), self.origin()))?;
        self.client.transport.learn_time(response.extensions());
        Ok(info_of(headers, length_of(headers).unwrap_or(0)))
    }

    pub(super) async fn get(&self, request: &GetRequest) -> Result<StoredObject> {
        let mut headers = Headers::new();
        if let Some((first, last)) = request.range {
            let last = last.map(|last| last.to_string()).unwrap_or_default();
            headers.push((RANGE, HeaderValue::from_str(&format!("bytes={first}-{last}")).map_err(unbuildable)?));
        }
        if let Some(etag) = &request.if_match {
            headers.push((IF_MATCH, HeaderValue::from_str(&format!("\"{etag}\"")).map_err(unbuildable)?));
        }
        let reply = self.as_stored(Method::GET, &request.object, &headers).await?;
        let (head, body) = reply.into_parts();
        let headers = head.headers;
        // A response without one is the whole.
        let range = match headers.get(CONTENT_RANGE) {
            Some(_) => {
                let range = text(&headers, CONTENT_RANGE).and_then(content_range::parse);
                Some(range.ok_or_else(|| incomplete("a sound Content-Range", self.origin()))?)
            }
            None => None,
        };
        let at = range.map_or(0, |range| range.first);
        let size = range.and_then(|range| range.complete);
        let whole = size.or_else(|| length_of(&headers).filter(|_| range.is_none()));
        let mut info = info_of(&headers, whole.unwrap_or_default());
        if may_be_decompressed(&headers) {
            // It is of the bytes that are stored, and these may be others.
            info.etag = None;
        }
        let origin = self.origin().clone();
        let pieces = BodyDataStream::new(body);
        let bytes = Box::pin(pieces.map(move |piece| piece.map_err(|error| describe_body(error, &origin))));
        Ok(StoredObject { info, at, is_whole_known: whole.is_some(), bytes })
    }

    /// The response to a request for an object, of its bytes as they are stored.
    async fn as_stored(
        &self,
        method: Method,
        object: &ObjectRef,
        headers: &Headers,
    ) -> Result<http::Response<PooledBody>> {
        let path = object.key.path_in(&object.bucket);
        let ask = |accept_encoding| {
            let (method, headers) = (method.clone(), headers.clone());
            let outgoing = Outgoing { headers, accept_encoding, ..Outgoing::new(method, &path, "") };
            Box::pin(self.client.exchange(outgoing, bytes::Bytes::new()))
        };
        let mut reply = ask(None).await;
        if reply.as_ref().is_ok_and(|it| may_be_decompressed(it.headers())) {
            reply = ask(Some(ANY_CODING)).await;
        }
        reply.map_err(not_found)
    }

    pub(super) async fn delete(&self, object: &ObjectRef, version: &ObjectVersion) -> Result<()> {
        let path = object.key.path_in(&object.bucket);
        let mut outgoing = Outgoing::new(Method::DELETE, &path, "");
        // Amazon S3 knows the one, R2 the other.
        let conditions = [
            (IF_MATCH, version.etag.as_ref().map(|etag| format!("\"{etag}\""))),
            (
                HeaderName::from_static("x-amz-if-match-last-modified-time"),
                version.last_modified.map(httpdate::fmt_http_date),
            ),
        ];
        for (name, value) in conditions {
            if let Some(value) = value {
                outgoing.headers.push((name, HeaderValue::from_str(&value).map_err(unbuildable)?));
            }
        }
        match Box::pin(self.client.exchange(outgoing, bytes::Bytes::new())).await {
            Ok(reply) => self.client.finish(reply).await.map(drop),
            // Servers that say so (GCS, for one). What is not there is removed already.
            Err(error) if error.status == Some(404) && error.code == "NoSuchKey" => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn list(&self, request: &ListRequest) -> Result<ListPage> {
        let query = query_of(&[
            ("continuation-token", request.continuation.as_deref()),
            ("encoding-type", Some("url")),
            ("list-type", Some("2")),
            ("max-keys", Some(&request.page_size.to_string())),
            ("prefix", Some(&*request.prefix).filter(|prefix| !prefix.is_empty())),
            ("start-after", request.start_after.as_deref()),
        ]);
        let reply = self.ask(Method::GET, &request.bucket.path(), &query).await?;
        let (_, page) = self.client.xml(reply, "ListBucketResult").await?;
        let objects = page.all("Contents").map(|object| {
            Ok(ListedObject {
                key: name_of(&page, object.text_of("Key"), self.origin())?,
                size: object.text_of("Size").and_then(|size| size.trim().parse().ok()).unwrap_or(0),
                etag: object.text_of("ETag").map(unquoted),
                last_modified: object.text_of("LastModified").and_then(time_of),
            })
        });
        let objects = objects.collect::<Result<_>>()?;
        let continuation = page.text_of("NextContinuationToken").map(str::to_owned);
        Ok(ListPage { objects, continuation: next_page(is_truncated(&page), continuation, self.origin())? })
    }

    pub(super) async fn ask(&self, method: Method, path: &str, query: &str) -> Result<http::Response<PooledBody>> {
        Box::pin(self.client.exchange(Outgoing::new(method, path, query), bytes::Bytes::new())).await
    }

    /// Signs a URL. Sends nothing.
    pub(super) fn presigned(&self, request: &PresignRequest) -> Result<Presigned> {
        // A signature has whole seconds; the time that is reported has to be the one that the server goes by.
        let since_epoch = self.client.transport.clock().signing_time().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs());
        let ObjectRef { bucket, key } = &request.object;
        let content_type = request.content_type.as_deref();
        let (method, query, headers) = match request.method {
            PresignMethod::Get => {
                let of_response = [
                    ("response-content-disposition", request.content_disposition.as_deref()),
                    ("response-content-type", content_type),
                ];
                ("GET", of_response, Headers::new())
            }
            PresignMethod::Put => {
                let value = content_type.map(HeaderValue::from_str).transpose().map_err(unbuildable)?;
                ("PUT", [("", None); 2], value.map(|value| (CONTENT_TYPE, value)).into_iter().collect())
            }
        };
        let (path, host) = (key.path_in(bucket), self.client.transport.host());
        let times = (now, request.expires_in);
        let query = self.client.signer.presign(method, &path, &query, &headers, host, times);
        let endpoint = self.endpoint.as_str().trim_end_matches('/');
        let url = [endpoint, &bucket.path(), "/", &key.url_path()?, "?", &query].concat();
        let headers = headers.iter().map(|(name, _)| (name.to_string(), content_type.unwrap_or_default().to_owned()));
        Ok(Presigned { url: Secret::new(url), headers: headers.collect(), expires_at: now + request.expires_in })
    }
}

/// A response to HEAD has no body that could say so, and GET's says it in another word.
fn not_found(error: Error) -> Error {
    if error.status == Some(404) && error.code != "NoSuchBucket" {
        error.with(|failure| failure.code = "NotFound".into())
    } else {
        error
    }
}

/// A key as a list has it. The list itself says whether it is escaped: not every server does as it was asked.
pub(super) fn name_of(list: &Element, text: Option<&str>, origin: &Origin) -> Result<String> {
    let text = text.filter(|text| !text.is_empty()).ok_or_else(|| incomplete("a key", origin))?;
    if !list.text_of("EncodingType").is_some_and(|encoding| encoding.trim().eq_ignore_ascii_case("url")) {
        return Ok(text.to_owned());
    }
    // As of HTML's forms: a plus sign is a blank.
    let escaped = text.replace('+', "%20");
    let decoded = percent_encoding::percent_decode_str(&escaped).decode_utf8();
    decoded.map(Into::into).map_err(|error| incomplete("a key in UTF-8", origin).caused_by(error))
}

pub(super) fn is_truncated(page: &Element) -> Option<bool> {
    page.text_of("IsTruncated").map(|text| text.trim().eq_ignore_ascii_case("true"))
}

pub(super) fn time_of(text: &str) -> Option<SystemTime> {
    let time = DateTime::from_str(text.trim(), Format::DateTimeWithOffset).ok()?;
    SystemTime::try_from(time).ok()
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn name(encoding: &str, text: &str) -> Option<String> {
        let origin = Origin::of(&Url::parse("http://127.0.0.1:9000").expect("a URL"));
        let list = format!("<List><EncodingType>{encoding}</EncodingType></List>");
        let list = Element::parse(list.as_bytes()).expect("well-formed");
        name_of(&list, Some(text), &origin).ok()
    }

    #[test]
    fn keys_are_decoded_where_the_list_says_that_they_are_escaped() {
        for (text, key) in [
            ("c%2Bd+e%25.txt", "c+d e%.txt"),
            ("a%20b%01%0A%00", "a b\u{1}\n\0"),
            ("%C3%A9/%EF%BF%BE", "é/\u{fffe}"),
            ("é%zz", "é%zz"),
        ] {
            assert_eq!(name("url", text).as_deref(), Some(key), "{text}");
            assert_eq!(name("", text).as_deref(), Some(text));
        }
        assert_eq!(name("url", "%FF"), None, "no key at all");
        assert_eq!(name("url", ""), None);
    }

    #[test]
    fn dates_of_lists_are_read_and_others_are_absent() {
        let at = UNIX_EPOCH + Duration::from_millis(1_500);
        assert_eq!(time_of(" 1970-01-01T00:00:01.500Z\n"), Some(at));
        assert_eq!(time_of("1970-01-01T01:00:01.5+01:00"), Some(at));
        for text in ["", "yesterday", "1970-13-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:01 GMT"] {
            assert_eq!(time_of(text), None, "{text}");
        }
    }
}
