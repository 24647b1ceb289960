//! An endpoint that fails as a seed has it, on a clock that costs nothing, and writes down what it saw.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reliable_r2::error::{Category, Error, Result, Retryability};
use reliable_r2::resilience::classify;
use reliable_r2::store::digest::hex_md5;
use reliable_r2::store::multipart::{
    CreateMultipart, ListUploads, MultipartUpload, PartPage, StoredPart, UploadPage, UploadPart,
};
use reliable_r2::store::objects::{
    GetRequest, ListPage, ListRequest, ObjectInfo, ObjectRef, PresignRequest, Presigned, StoredObject,
};
use reliable_r2::store::{ObjectStore, ObjectVersion, PutObject, PutOutcome, WriteCondition};
use tokio::time::{Instant, sleep};

/// What the endpoint does to requests.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    /// Of requests that meet a fault, outside outages.
    pub(crate) faults: f64,
    /// From when to when it does not respond, after the beginning.
    pub(crate) outages: Vec<(Duration, Duration)>,
    /// Requests a second that it takes; the rest gets 429.
    pub(crate) capacity: Option<u32>,
    /// Of requests that are refused for good.
    pub(crate) refusals: f64,
    /// Keys with this prefix get 429, as R2 does where another process writes them all the time.
    pub(crate) hot: Option<&'static str>,
}

impl Weather {
    /// All that a seed may bring.
    pub(crate) fn random(random: &mut StdRng) -> Self {
        let mut outages = Vec::new();
        let mut at = 0;
        while random.random_bool(0.5) && outages.len() < 3 {
            let from = at + random.random_range(0..40_000);
            at = from + random.random_range(500..60_000);
            outages.push((Duration::from_millis(from), Duration::from_millis(at)));
        }
        let of = |random: &mut StdRng, choices: &[f64]| choices[random.random_range(0..choices.len())];
        Self {
            faults: of(random, &[0.0, 0.05, 0.2, 0.5]),
            outages,
            capacity: random.random_bool(0.2).then(|| random.random_range(2..50)),
            refusals: of(random, &[0.0, 0.0, 0.02]),
            // Behind everything else, so that a seed is the same world as before.
            hot: random.random_bool(0.2).then_some("1"),
        }
    }

    pub(crate) fn ends(&self) -> Duration {
        self.outages.last().map_or(Duration::ZERO, |&(_, end)| end)
    }
}

/// One request, as the endpoint saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) began: Instant,
    pub(crate) key: String,
    pub(crate) body: Bytes,
    /// When its response came, or its connection given up.
    pub(crate) ended: Option<Instant>,
    pub(crate) stored: bool,
    /// Writes to the same key that were under way when it began.
    pub(crate) beside: u32,
}

#[derive(Debug)]
struct World {
    random: StdRng,
    objects: HashMap<String, (Bytes, u64)>,
    writes: u64,
    seen: Vec<Seen>,
    writing: HashMap<String, u32>,
    second: (u64, u32),
}

#[derive(Debug, Clone)]
pub(crate) struct SimulatedEndpoint {
    began: Instant,
    weather: Weather,
    world: Arc<Mutex<World>>,
}

enum Fate {
    Responded,
    /// Stored, and the response lost.
    ResponseLost,
    Broken,
    Hangs,
    Status(u16, &'static str, Option<u64>),
}

impl SimulatedEndpoint {
    pub(crate) fn new(seed: u64, weather: Weather) -> Self {
        let world = World {
            random: StdRng::seed_from_u64(seed),
            objects: HashMap::new(),
            writes: 0,
            seen: Vec::new(),
            writing: HashMap::new(),
            second: (0, 0),
        };
        Self { began: Instant::now(), weather, world: Arc::new(Mutex::new(world)) }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    pub(crate) fn object(&self, key: &str) -> Option<Bytes> {
        self.lock().objects.get(key).map(|(body, _)| body.clone())
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no panic elsewhere")
    }

    fn is_out(&self) -> bool {
        let age = self.began.elapsed();
        self.weather.outages.iter().any(|&(from, to)| (from..to).contains(&age))
    }

    fn fate(&self, key: &str) -> (Fate, Duration) {
        let out = self.is_out();
        let second = self.began.elapsed().as_secs();
        let mut world = self.lock();
        let latency = Duration::from_millis(world.random.random_range(1..200));
        if out {
            // Refused at once, reset, or swallowed.
            let fate = if world.random.random_bool(0.2) { Fate::Hangs } else { Fate::Broken };
            return (fate, latency / 10);
        }
        if world.second.0 != second {
            world.second = (second, 0);
        }
        world.second.1 += 1;
        if self.weather.capacity.is_some_and(|capacity| world.second.1 > capacity) {
            return (Fate::Status(429, "TooManyRequests", None), latency);
        }
        if self.weather.hot.is_some_and(|prefix| key.starts_with(prefix)) {
            return (Fate::Status(429, "TooManyRequests", None), latency);
        }
        if world.random.random_bool(self.weather.refusals) {
            return (Fate::Status(403, "AccessDenied", None), latency);
        }
        if !world.random.random_bool(self.weather.faults) {
            return (Fate::Responded, latency);
        }
        let fate = match world.random.random_range(0..100) {
            0..30 => Fate::Broken,
            30..55 => Fate::Status([500, 502, 503, 504][world.random.random_range(0..4)], "InternalError", None),
            55..60 => Fate::Status(503, "SlowDown", Some(1)),
            60..80 => Fate::ResponseLost,
            80..90 => Fate::Hangs,
            _ => Fate::Status(400, "IncompleteBody", None),
        };
        (fate, latency)
    }

    async fn meet(&self, key: &str) -> Result<bool> {
        let (fate, latency) = self.fate(key);
        match fate {
            Fate::Hangs => sleep(Duration::from_secs(86_400)).await,
            _ => sleep(latency).await,
        }
        match fate {
            Fate::Responded => Ok(true),
            Fate::ResponseLost => Ok(false),
            Fate::Broken | Fate::Hangs => Err(broken()),
            Fate::Status(status, code, retry_after) => {
                let verdict = classify::by_s3_code(code).unwrap_or_else(|| classify::by_status(status));
                Err(Error::new(code, verdict.category, verdict.retryability, "simulated").with(|failure| {
                    failure.status = Some(status);
                    failure.retry_after = retry_after.map(Duration::from_secs);
                }))
            }
        }
    }
}

fn broken() -> Error {
    Error::new("ECONNRESET", Category::Network, Retryability::Transient, "simulated")
}

/// A request under way; ended when it is dropped, whoever drops it.
struct UnderWay<'a> {
    endpoint: &'a SimulatedEndpoint,
    index: usize,
    key: String,
}

impl<'a> UnderWay<'a> {
    fn write(endpoint: &'a SimulatedEndpoint, request: &PutObject) -> Self {
        let key = request.key.as_str().to_owned();
        let mut world = endpoint.lock();
        let writing = world.writing.entry(key.clone()).or_default();
        let beside = *writing;
        *writing += 1;
        let index = world.seen.len();
        let (began, body) = (Instant::now(), request.body.bytes().clone());
        world.seen.push(Seen { began, key: key.clone(), body, ended: None, stored: false, beside });
        drop(world);
        Self { endpoint, index, key }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut world = self.endpoint.lock();
        world.seen[self.index].ended = Some(Instant::now());
        if let Some(writing) = world.writing.get_mut(&self.key) {
            *writing -= 1;
        }
    }
}

impl ObjectStore for SimulatedEndpoint {
    async fn put_object(&self, request: &PutObject) -> Result<PutOutcome> {
        let under_way = UnderWay::write(self, request);
        let is_responded = self.meet(request.key.as_str()).await?;
        let etag = hex_md5(request.body.bytes());
        {
            let mut world = self.lock();
            if request.condition == Some(WriteCondition::Absent) && world.objects.contains_key(&under_way.key) {
                let failed =
                    Error::new("PreconditionFailed", Category::Service, Retryability::Permanent, "it is there");
                return Err(failed.with(|failure| failure.status = Some(412)));
            }
            world.writes += 1;
            let number = world.writes;
            world.objects.insert(under_way.key.clone(), (request.body.bytes().clone(), number));
            world.seen[under_way.index].stored = true;
        }
        if is_responded {
            Ok(PutOutcome { etag: Some(etag), request_id: None, confirmed_by_head: false })
        } else {
            Err(broken())
        }
    }

    async fn head_object(&self, object: &ObjectRef) -> Result<ObjectInfo> {
        if !self.meet(object.key.as_str()).await? {
            return Err(broken());
        }
        let body = self.object(object.key.as_str()).ok_or_else(|| {
            let missing = Error::new("NotFound", Category::Service, Retryability::Permanent, "it is not there");
            missing.with(|failure| failure.status = Some(404))
        })?;
        Ok(ObjectInfo { size: body.len() as u64, etag: Some(hex_md5(&body)), ..ObjectInfo::default() })
    }

    async fn create_multipart(&self, _: &CreateMultipart) -> Result<MultipartUpload> {
        unreachable!("only whole objects are simulated")
    }

    async fn upload_part(&self, _: &UploadPart) -> Result<StoredPart> {
        unreachable!("only whole objects are simulated")
    }

    async fn complete_multipart(
        &self,
        _: &MultipartUpload,
        _: &[StoredPart],
        _: Option<&WriteCondition>,
    ) -> Result<PutOutcome> {
        unreachable!("only whole objects are simulated")
    }

    async fn abort_multipart(&self, _: &MultipartUpload) -> Result<()> {
        unreachable!("only whole objects are simulated")
    }

    async fn list_parts(&self, _: &MultipartUpload, _: Option<&str>) -> Result<PartPage> {
        unreachable!("only whole objects are simulated")
    }

    async fn list_uploads(&self, _: &ListUploads) -> Result<UploadPage> {
        unreachable!("only whole objects are simulated")
    }

    async fn get_object(&self, _: &GetRequest) -> Result<StoredObject> {
        unreachable!("only whole objects are simulated")
    }

    async fn delete_object(&self, _: &ObjectRef) -> Result<()> {
        unreachable!("only whole objects are simulated")
    }

    async fn delete_version(&self, _: &ObjectRef, _: &ObjectVersion) -> Result<()> {
        unreachable!("only whole objects are simulated")
    }

    async fn list_objects(&self, _: &ListRequest) -> Result<ListPage> {
        unreachable!("only whole objects are simulated")
    }

    async fn presign(&self, _: &PresignRequest) -> Result<Presigned> {
        unreachable!("only whole objects are simulated")
    }
}
