//! `cargo bench -p reliable-r2-benches`: the core's hot spots by themselves, and one whole upload.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use reliable_r2::error::{Category, Error, Retryability};
use reliable_r2::resilience::schedule::Schedule;
use reliable_r2::resilience::{Preset, classify};
use reliable_r2::source::url_guard;
use reliable_r2::storage::objects::PresignOptions;
use reliable_r2::store::digest::hex_md5;
use reliable_r2_benches::{sink, storage, upload};

const KIB: usize = 1024;

/// What providers' temporary URLs look like, and what must not pass.
fn url_guard(criterion: &mut Criterion) {
    let policy = url_guard::GuardPolicy::default();
    let mut group = criterion.benchmark_group("url guard");
    for (name, url) in [
        ("temporary", "https://files.provider.com/v1/images/8f14e45f.png?se=2030-01-01T00%3A00Z&sig=abc%2Fdef%3D"),
        ("blocked", "https://169.254.169.254/latest/meta-data/"),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| url_guard::parse(black_box(url)).and_then(|url| url_guard::check(&url, &policy)).is_ok());
        });
    }
    group.finish();
}

/// All the decisions of a call that fails to the last attempt.
fn schedule(criterion: &mut Criterion) {
    let error = Error::new("ECONNRESET", Category::Network, Retryability::Transient, "reset");
    let mut group = criterion.benchmark_group("retry schedule");
    for preset in [Preset::FileUpload, Preset::Persistent] {
        group.bench_function(preset.name(), |bencher| {
            bencher.iter(|| {
                let mut schedule = Schedule::new(preset.policy());
                for _ in 0..preset.policy().max_attempts {
                    black_box(schedule.attempt_timeout(Duration::ZERO));
                    black_box(schedule.decide(black_box(&error), Duration::ZERO));
                }
            });
        });
    }
    group.finish();
}

fn classify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("classification");
    group.bench_function("by status", |bencher| bencher.iter(|| classify::by_status(black_box(503))));
    // The last ones in their tables, and an unknown one.
    for (name, judge) in
        [("by S3 code", classify::by_s3_code as fn(&str) -> _), ("by Node code", classify::by_node_code)]
    {
        group.bench_function(name, |bencher| {
            bencher.iter(|| ["InvalidRequest", "ERR_INVALID_URL", "Whatever"].map(|code| judge(black_box(code))));
        });
    }
    group.finish();
}

fn digest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("MD5");
    for size in [KIB, 64 * KIB, 2 * KIB * KIB] {
        let body = vec![b'x'; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &body, |bencher, body| {
            bencher.iter(|| hex_md5(black_box(body)));
        });
    }
    group.finish();
}

/// A presigned URL is signed and not sent; a put is signed and goes to a null store in the same thread.
fn put(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let storage = storage(runtime.block_on(sink()));
    let mut group = criterion.benchmark_group("one put");
    group.bench_function("presigned", |bencher| {
        bencher.iter(|| {
            let options = PresignOptions { key: "inputs/picture.png".to_owned(), ..PresignOptions::default() };
            runtime.block_on(storage.presign(options)).expect("a signed URL")
        });
    });
    for size in [KIB, 64 * KIB] {
        let body = Bytes::from(vec![b'x'; size]);
        group.bench_with_input(BenchmarkId::new("stored", size), &body, |bencher, body| {
            bencher.iter(|| runtime.block_on(upload(&storage, body)));
        });
    }
    group.finish();
}

criterion_group!(benches, url_guard, schedule, classify, digest, put);
criterion_main!(benches);
