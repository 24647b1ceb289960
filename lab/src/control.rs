//! The faults and events over HTTP, for programs in other languages.
//!
//! `GET /health` · `GET|PUT|DELETE /faults` · `GET /events?after=N` · `DELETE /events`

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::State;
use crate::fault::Rule;

const MAX_BODY_BYTES: usize = 1024 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    faults: Vec<Rule>,
}

pub async fn run(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, Infallible>(handle(request, &state).await) }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn handle(request: Request<Incoming>, state: &State) -> Response<Full<Bytes>> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    match (method, path.as_str()) {
        (Method::GET, "/health") => {
            respond(StatusCode::OK, &json!({ "ok": true, "underWay": state.under_way.load(Ordering::SeqCst) }))
        }
        (Method::GET, "/faults") => respond(StatusCode::OK, &Faults { faults: state.plan.rules() }),
        (Method::DELETE, "/faults") => {
            state.plan.set(Vec::new());
            respond(StatusCode::OK, &json!({ "faults": [] }))
        }
        (Method::PUT, "/faults") => match Limited::new(request.into_body(), MAX_BODY_BYTES).collect().await {
            Ok(body) => set_faults(&body.to_bytes(), state),
            Err(_) => respond(StatusCode::BAD_REQUEST, &json!({ "error": "the body did not arrive" })),
        },
        (Method::GET, "/events") => {
            settle(state).await;
            let query = request.uri().query().unwrap_or_default();
            let after = query.split('&').find_map(|pair| pair.strip_prefix("after=")?.parse().ok()).unwrap_or(0);
            respond(StatusCode::OK, &json!({ "events": state.events.after(after), "last": state.events.last() }))
        }
        (Method::DELETE, "/events") => {
            state.events.clear();
            respond(StatusCode::OK, &json!({ "last": state.events.last() }))
        }
        _ => respond(StatusCode::NOT_FOUND, &json!({ "error": "no such command" })),
    }
}

/// A client has its response a moment before the proxy has its event. Requests that hang are not waited for.
async fn settle(state: &State) {
    for _ in 0..20 {
        if state.under_way.load(Ordering::SeqCst) == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn set_faults(body: &[u8], state: &State) -> Response<Full<Bytes>> {
    match serde_json::from_slice::<Faults>(body) {
        Ok(faults) => {
            state.plan.set(faults.faults);
            respond(StatusCode::OK, &Faults { faults: state.plan.rules() })
        }
        Err(error) => respond(StatusCode::BAD_REQUEST, &json!({ "error": error.to_string() })),
    }
}

fn respond(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    response
}
