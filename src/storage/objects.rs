//! The calls about objects that are stored already: same errors, same retries.

use std::time::Duration;

use tokio::time::Instant;

use super::failover::may_be_elsewhere;
use super::{Call, ObjectOptions, Prepared, Storage, headers, limits};
use crate::error::{Error, Operation, Result, code};
use crate::resilience::RetryContext;
use crate::store::objects::{ListPage, ListRequest, ObjectInfo, ObjectRef, PresignMethod, PresignRequest, Presigned};
use crate::store::{ObjectKey, ObjectStore as _};

/// S3's page, and the most of it.
const MAX_PAGE: u32 = 1000;
/// A week: signatures of version 4 do not live longer.
const MAX_EXPIRY_SECONDS: u32 = 7 * 24 * 3600;
const DEFAULT_EXPIRY_SECONDS: f64 = 3600.0;

#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    pub prefix: Option<String>,
    pub start_after: Option<String>,
    pub continuation: Option<String>,
    pub page_size: Option<f64>,
    pub bucket: Option<String>,
    pub retry: Option<super::RetryOptions>,
}

#[derive(Debug, Clone, Default)]
pub struct PresignOptions {
    pub key: String,
    pub bucket: Option<String>,
    pub method: Option<String>,
    pub expires_in_seconds: Option<f64>,
    pub content_type: Option<String>,
    pub disposition: Option<String>,
}

/// What a call found, and what it cost.
#[derive(Debug)]
pub struct Found<T> {
    pub bucket: String,
    pub value: T,
    pub attempts: u32,
    pub elapsed: Duration,
}

impl Storage {
    /// # Errors
    /// Bad input before anything is sent; `NotFound`; else the last attempt's.
    pub async fn head(&self, options: ObjectOptions, call: Call) -> Result<Found<ObjectInfo>> {
        let prepared = self.prepare(options, Operation::Head)?;
        let call = self.counted(prepared.operation, call);
        let places = self.places(&prepared);
        let work = self.at_each(&places, &call, may_be_elsewhere, async |here| {
            let (info, attempts) =
                self.store(here).head_object(&here.object(), here.context(call.observer.as_ref())).await?;
            Ok((headers::readable(info), attempts))
        });
        let outcome = self.until_called_off(&prepared, &call, work).await;
        Ok(prepared.found(self.count(prepared.operation, prepared.started, outcome, |_| 0)?))
    }

    /// # Errors
    /// Bad input before anything is sent; else the last attempt's, of the endpoint that failed. Not for an object that
    /// is not there.
    pub async fn delete(&self, options: ObjectOptions, call: Call) -> Result<Found<()>> {
        let prepared = self.prepare(options, Operation::Delete)?;
        let call = self.counted(prepared.operation, call);
        let places = self.places(&prepared);
        // At each: what is left at one would be found there, and copied back.
        let work = async {
            let mut most = 0;
            for here in &places {
                let context = RetryContext { has_alternative: false, ..here.context(call.observer.as_ref()) };
                let ((), took) = self.store(here).delete_object(&here.object(), context).await?;
                most = most.max(took);
            }
            Ok(((), most))
        };
        let outcome = self.until_called_off(&prepared, &call, work).await;
        Ok(prepared.found(self.count(prepared.operation, prepared.started, outcome, |_| 0)?))
    }

    /// One page of the primary's objects.
    ///
    /// # Errors
    /// Bad input before anything is sent; else the last attempt's.
    pub async fn list(&self, options: ListOptions, call: Call) -> Result<ListPage> {
        let started = Instant::now();
        let mark = |error: Error| {
            error.with(|failure| {
                failure.operation = Some(Operation::List);
                failure.key = options.prefix.clone().filter(|prefix| !prefix.is_empty());
            })
        };
        self.refuse_if_closed().map_err(mark)?;
        let request = self.list_request(&options).map_err(mark)?;
        let policy = self.policy(options.retry.as_ref()).map_err(mark)?;
        let call = self.counted(Operation::List, call);
        let observer = call.observer.as_ref();
        let context = RetryContext {
            policy: &policy,
            started,
            operation: Operation::List,
            key: &request.prefix,
            has_alternative: false,
            observer,
        };
        let work = self.primary().store.list_objects(&request, context);
        let outcome = self.race(&call, work).await;
        let (page, _) = self.count(Operation::List, started, outcome, |_| 0).map_err(mark)?;
        Ok(page)
    }

    /// A URL that lets whoever has it read or write one object for a while. Sends nothing, and no checksum is
    /// signed into it: browsers send none.
    ///
    /// # Errors
    /// Bad input.
    pub async fn presign(&self, options: PresignOptions) -> Result<Presigned> {
        let mark = |error: Error| {
            error.with(|failure| {
                failure.operation = Some(Operation::Presign);
                failure.key = Some(options.key.clone());
            })
        };
        self.refuse_if_closed().map_err(mark)?;
        let request = self.presign_request(&options).map_err(mark)?;
        self.primary().store.inner().presign(&request).await.map_err(mark)
    }

    /// The `url` of an upload's receipt, of any object of the primary. Sends nothing.
    ///
    /// # Errors
    /// Bad input.
    pub fn url_of(&self, key: &str, bucket: Option<&str>) -> Result<String> {
        let bucket = self.bucket(bucket)?;
        let key = ObjectKey::of_stored(key)?;
        Ok(self.primary().config.addresses(bucket.as_str(), key.as_str()).url)
    }

    fn list_request(&self, options: &ListOptions) -> Result<ListRequest> {
        for (name, text) in [("prefix", &options.prefix), ("startAfter", &options.start_after)] {
            check_key_part(name, text.as_deref().unwrap_or_default())?;
        }
        Ok(ListRequest {
            bucket: self.bucket(options.bucket.as_deref())?,
            prefix: options.prefix.clone().unwrap_or_default(),
            start_after: options.start_after.clone(),
            continuation: options.continuation.clone(),
            page_size: options.page_size.map_or(Ok(MAX_PAGE), |size| limits::count("pageSize", size, MAX_PAGE))?,
        })
    }

    fn presign_request(&self, options: &PresignOptions) -> Result<PresignRequest> {
        let seconds = options.expires_in_seconds.unwrap_or(DEFAULT_EXPIRY_SECONDS);
        let name = options.method.as_deref().unwrap_or("GET");
        let method = PresignMethod::parse(name)
            .ok_or_else(|| Error::invalid_option("method", limits::one_of(PresignMethod::NAMES)))?;
        let check =
            |name, value: &Option<String>| value.as_deref().map(|value| headers::header_value(name, value)).transpose();
        let (content_type, content_disposition) =
            (check("contentType", &options.content_type)?, check("disposition", &options.disposition)?);
        if method == PresignMethod::Put && options.disposition.is_some() {
            return Err(Error::invalid_option("disposition", "absent for PUT: it is for the answer to a GET"));
        }
        Ok(PresignRequest {
            object: ObjectRef { bucket: self.bucket(options.bucket.as_deref())?, key: ObjectKey::parse(&options.key)? },
            method,
            expires_in: Duration::from_secs(limits::count("expiresInSeconds", seconds, MAX_EXPIRY_SECONDS)?.into()),
            content_type,
            content_disposition,
        })
    }
}

impl Prepared {
    pub(super) fn object(&self) -> ObjectRef {
        ObjectRef { bucket: self.bucket.clone(), key: self.key.clone() }
    }

    fn found<T>(&self, (value, attempts): (T, u32)) -> Found<T> {
        Found { bucket: self.bucket.as_str().to_owned(), value, attempts, elapsed: self.started.elapsed() }
    }
}

/// The beginning of a key need not be one itself.
pub(super) fn check_key_part(name: &str, text: &str) -> Result<()> {
    if text.len() <= ObjectKey::MAX_BYTES && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let allowed = format!("at most {} bytes of UTF-8 without control characters", ObjectKey::MAX_BYTES);
    Err(Error::invalid(code::INVALID_OPTION, name, format!("{name} must be {allowed}")))
}
