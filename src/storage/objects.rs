//! The calls about objects that are stored already: same errors, same retries.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::order::{self, Order, conflict};
use super::run::Running;
use super::{Call, ObjectOptions, Prepared, Storage, headers, limits, lookup};
use crate::error::{Error, Operation, Result, code};
use crate::resilience::{RetryContext, RetryObserver};
use crate::store::object_header::header_value;
use crate::store::objects::{ListPage, ListRequest, ObjectInfo, ObjectRef, PresignMethod, PresignRequest, Presigned};
use crate::store::pages::Pages;
use crate::store::{ObjectKey, ObjectStore};

/// S3's page, and the most of it.
const MAX_PAGE: u32 = 1000;
/// Of a delete of an object that others write to.
const DELETE_ROUNDS: u32 = 5;
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
    pub content_disposition: Option<String>,
}

/// What a call found, where, and what it cost.
#[derive(Debug)]
pub struct Found<T> {
    /// Scheme, host and port of the endpoint that has it.
    pub endpoint: String,
    /// Whether that is another than the primary.
    pub failed_over: bool,
    pub bucket: String,
    pub value: T,
    pub attempts: u32,
    pub elapsed: Duration,
}

impl<S: ObjectStore + 'static> Storage<S> {
    /// # Errors
    /// Bad input before anything is sent; `NotFound`; else the last attempt's. While the primary is out, its error where
    /// no spare has the object.
    pub async fn head(&self, options: ObjectOptions, call: Call) -> Result<Found<ObjectInfo>> {
        let (prepared, call) = self.begin(Operation::Head, options, call)?;
        let places = self.places(&prepared);
        let work = self.open_at_any(&places, &call, async |here| {
            let found = self.store(here).head_object(&here.object(), here.context(call.observer.as_ref())).await;
            found.map(|(info, attempts)| (attempts, info))
        });
        let (place, attempts, info) = self.run(prepared.running(), &call, |_| 0, work).await?;
        Ok(self.found(place, headers::readable(info), attempts))
    }

    /// Deletes an object at every endpoint. All of them have to respond: what is left at one would come back.
    ///
    /// # Errors
    /// Bad input before anything is sent; else the last attempt's, of the endpoint that failed. Not for an object that
    /// is not there.
    pub async fn delete(&self, options: ObjectOptions, call: Call) -> Result<Found<()>> {
        let (prepared, call) = self.begin(Operation::Delete, options, call)?;
        let places = self.places(&prepared);
        let work = self.delete_everywhere(&places, &call);
        let attempts = self.run(prepared.running(), &call, |_| 0, work).await?;
        Ok(self.found(&prepared, (), attempts))
    }

    /// Until a look at every endpoint finds nothing after the primary's object was deleted: what a spare takes meanwhile,
    /// or a reconcile copies, may be older than what the delete has removed.
    async fn delete_everywhere(&self, places: &[Cow<'_, Prepared>], call: &Call) -> Result<u32> {
        let [primary, spares @ ..] = places else { return Err(Error::internal("there is no endpoint")) };
        let observer = call.observer.as_ref();
        let mut most = 0;
        for _ in 0..DELETE_ROUNDS {
            for here in self.deletions(primary, spares, observer).await? {
                let ((), took) = self.store(here).delete_object(&here.object(), only_here(here, observer)).await?;
                most = most.max(took);
            }
            if spares.is_empty() || self.is_gone(primary, spares, observer).await? {
                return Ok(most);
            }
        }
        Err(conflict("the object kept changing at an endpoint; delete it again when its writers have stopped"))
    }

    /// Where to delete, in which order. All endpoints are looked at, so that one which does not respond leaves everything
    /// as it is. The newest object goes last, as far as the order can be determined: what is left of a delete that fails is the
    /// newest.
    async fn deletions<'a>(
        &self,
        primary: &'a Prepared,
        spares: &'a [Cow<'_, Prepared>],
        observer: &dyn RetryObserver,
    ) -> Result<Vec<&'a Prepared>> {
        let mut held = Vec::new();
        for spare in spares {
            held.extend(self.held(spare, observer).await?.map(|info| (&**spare, info)));
        }
        let home = self.primary_id(primary.bucket.as_str());
        let is_pending = |info: &ObjectInfo| lookup::is_pending(info, home);
        let any_is_pending = held.iter().any(|(_, info)| is_pending(info));
        let at_primary = if any_is_pending { self.held(primary, observer).await? } else { None };
        held.sort_by_key(|(_, info)| order::age_key(info));
        // What is not pending is read in an outage only.
        let (older, newer): (Vec<_>, Vec<_>) = held.into_iter().partition(|(spare, info)| {
            let is_older = |primary: &ObjectInfo| self.order_of(primary, spare, info) == Order::Newer;
            !is_pending(info) || at_primary.as_ref().is_some_and(is_older)
        });
        let here = |(spare, _)| spare;
        Ok(older.into_iter().map(here).chain([primary]).chain(newer.into_iter().map(here)).collect())
    }

    async fn is_gone(
        &self,
        primary: &Prepared,
        spares: &[Cow<'_, Prepared>],
        observer: &dyn RetryObserver,
    ) -> Result<bool> {
        let home = self.primary_id(primary.bucket.as_str());
        for spare in spares {
            if self.held(spare, observer).await?.is_some_and(|info| lookup::is_pending(&info, home)) {
                return Ok(false);
            }
        }
        // An object that was written since is another's, a copy is not.
        let is_copy = |info: ObjectInfo| info.write.is_some_and(|write| write.copy.is_some());
        Ok(!self.held(primary, observer).await?.is_some_and(is_copy))
    }

    async fn held(&self, here: &Prepared, observer: &dyn RetryObserver) -> Result<Option<ObjectInfo>> {
        match self.store(here).head_object(&here.object(), only_here(here, observer)).await {
            Err(error) if error.status == Some(404) => Ok(None),
            found => found.map(|(info, _)| Some(info)),
        }
    }

    fn order_of(&self, at_primary: &ObjectInfo, spare: &Prepared, pending: &ObjectInfo) -> Order {
        let Some(write) = &pending.write else { return Order::Unknown };
        let (spare_now, primary_now) =
            (self.store(spare).inner().server_time(), self.primary().store.inner().server_time());
        order::of_primary(at_primary, write, order::stored_at_spare_by(pending, spare_now, primary_now))
    }

    /// One page of the primary's objects, the next of `pages`.
    ///
    /// # Errors
    /// Bad input before anything is sent; a list that does not move on; else the last attempt's.
    pub async fn list(&self, options: ListOptions, pages: &Mutex<Pages>, call: Call) -> Result<ListPage> {
        let call = self.counted(Operation::List, call);
        let prefix = options.prefix.as_deref().filter(|prefix| !prefix.is_empty());
        let running = Running { operation: Operation::List, key: prefix, started: Instant::now() };
        let work = async {
            let request = self.list_request(&options)?;
            let policy = self.policy(options.retry.as_ref())?;
            let context = running.context(&policy, &request.prefix, call.observer.as_ref());
            let (page, _) = self.primary().store.list_objects(&request, context).await?;
            pages.lock().unwrap_or_else(PoisonError::into_inner).next(page.last(), page.continuation.as_deref())?;
            Ok(page)
        };
        self.run(running, &call, |_| 0, work).await
    }

    /// A URL that lets whoever has it read or write one object for a while. Sends nothing, and no checksum is
    /// signed into it: browsers send none.
    ///
    /// # Errors
    /// Bad input.
    pub async fn presign(&self, options: PresignOptions) -> Result<Presigned> {
        let running = Running { operation: Operation::Presign, key: Some(&options.key), started: Instant::now() };
        let work = async {
            self.refuse_if_closed()?;
            self.primary().store.inner().presign(&self.presign_request(&options)?).await
        };
        work.await.map_err(|error| running.tag(error))
    }

    /// The `url` of an upload's receipt, of any object of the primary. Sends nothing.
    ///
    /// # Errors
    /// Bad input.
    pub fn public_url(&self, key: &str, bucket: Option<&str>) -> Result<String> {
        let bucket = self.bucket(bucket)?;
        let key = ObjectKey::existing(key)?;
        Ok(self.primary().config.addresses(&bucket, &key)?.url)
    }

    pub(super) fn found<T>(&self, place: &Prepared, value: T, attempts: u32) -> Found<T> {
        Found {
            endpoint: self.targets[place.target].config.origin(),
            failed_over: place.target > 0,
            bucket: place.bucket.as_str().to_owned(),
            value,
            attempts,
            elapsed: place.started.elapsed(),
        }
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
        let key = match method {
            PresignMethod::Get => ObjectKey::existing(&options.key)?,
            PresignMethod::Put => ObjectKey::parse(&options.key)?,
        };
        let check = |name, value: &Option<String>| value.as_deref().map(|value| header_value(name, value)).transpose();
        let (content_type, content_disposition) =
            (check("contentType", &options.content_type)?, check("contentDisposition", &options.content_disposition)?);
        if method == PresignMethod::Put && options.content_disposition.is_some() {
            return Err(Error::invalid_option("contentDisposition", "absent for PUT: it is for the response to a GET"));
        }
        Ok(PresignRequest {
            object: ObjectRef { bucket: self.bucket(options.bucket.as_deref())?, key },
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
}

/// No other endpoint can do it in this one's place.
fn only_here<'a>(here: &'a Prepared, observer: &'a dyn RetryObserver) -> RetryContext<'a> {
    RetryContext { has_alternative: false, ..here.context(observer) }
}

/// The beginning of a key need not be one itself.
pub(super) fn check_key_part(name: &str, text: &str) -> Result<()> {
    if text.len() <= ObjectKey::MAX_BYTES {
        return Ok(());
    }
    let allowed = format!("at most {} bytes of UTF-8", ObjectKey::MAX_BYTES);
    Err(Error::invalid(code::INVALID_OPTION, name, format!("{name} must be {allowed}")))
}
