//! A local R2 behind a proxy that makes faults on command.
//!
//! | module | what it is |
//! |---|---|
//! | [`server`] | the S3 server: `s3s-fs`, with real signature checks, on a folder |
//! | [`files`] | `s3s-fs`, and where it is not like R2 |
//! | [`fault`] | which request meets which fault: exactly as often as asked, or by chance that a seed repeats |
//! | [`flip`] | a stream that turns one bit |
//! | [`mix`] | the standard mixed faults and their weights |
//! | [`proxy`] | the plain and the TLS port in front of the server, and faults at their connections |
//! | `client` | the client's socket, under TLS and whatever reads it |
//! | `exchange` | one request, its response, and the faults between them |
//! | [`wire`] | HTTP/1.1 by hand: a proxy that breaks rules cannot use a library that keeps them |
//! | [`events`] | what happened, in order |
//! | [`control`] | all of it over HTTP, for programs in other languages |

pub mod certificate;
mod client;
pub mod control;
pub mod events;
mod exchange;
pub mod fault;
pub mod files;
pub mod flip;
pub mod mix;
pub mod proxy;
pub mod server;
pub mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use events::Event;
pub use fault::{Fault, Piece, RawEnd, Rule};
pub use files::Conditions;

use certificate::Certificate;
use events::EventLog;
use fault::FaultPlan;
use server::Access;

/// How to start a [`LocalR2`]. Port 0 means any that is free.
#[derive(Debug, Clone)]
pub struct Options {
    pub data: PathBuf,
    pub access_key: String,
    pub secret_key: String,
    pub buckets: Vec<String>,
    pub s3_port: u16,
    pub proxy_port: u16,
    pub tls_port: u16,
    pub control_port: u16,
    pub public_port: u16,
    /// Names in the certificate besides this machine's.
    pub names: Vec<String>,
    pub conditions: Conditions,
}

impl Options {
    /// On free ports, with a bucket `pictures` and the keys `local` and `local-secret`.
    pub fn in_folder(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            access_key: "local".to_owned(),
            secret_key: "local-secret".to_owned(),
            buckets: vec!["pictures".to_owned()],
            s3_port: 0,
            proxy_port: 0,
            tls_port: 0,
            control_port: 0,
            public_port: 0,
            names: Vec::new(),
            conditions: Conditions::default(),
        }
    }
}

/// A listener that accepts nobody, and those who fill its queue.
#[derive(Debug)]
struct FullPort {
    address: SocketAddr,
    _sockets: Vec<socket2::Socket>,
}

impl FullPort {
    fn open() -> io::Result<Self> {
        use socket2::{Domain, Socket, Type};
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        listener.listen(0)?;
        let local = listener.local_addr()?;
        let address = local.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut sockets = vec![listener];
        for _ in 0..4 {
            let filler = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            filler.set_nonblocking(true)?;
            // Under way, which is as good as made.
            let _ = filler.connect(&local);
            sockets.push(filler);
        }
        Ok(Self { address, _sockets: sockets })
    }
}

/// A running server, proxy and control port, all on 127.0.0.1. Everything stops when it is dropped.
#[derive(Debug)]
pub struct LocalR2 {
    s3: SocketAddr,
    proxy: SocketAddr,
    tls: SocketAddr,
    control: SocketAddr,
    public: SocketAddr,
    full: FullPort,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

/// What proxy and control port share.
#[derive(Debug)]
pub struct State {
    pub plan: FaultPlan,
    pub certificate: Certificate,
    /// When a request for each key was last let through by a limit.
    pub limited: std::sync::Mutex<std::collections::HashMap<String, tokio::time::Instant>>,
    pub events: EventLog,
    /// Requests whose event is still to come.
    pub under_way: std::sync::atomic::AtomicU64,
    /// Those among them that the server has.
    pub forwarding: std::sync::atomic::AtomicU64,
}

impl State {
    pub fn new(certificate: Certificate) -> Self {
        Self {
            plan: FaultPlan::default(),
            certificate,
            limited: Default::default(),
            events: EventLog::default(),
            under_way: Default::default(),
            forwarding: Default::default(),
        }
    }
}

impl LocalR2 {
    /// # Errors
    /// A folder that cannot be made, a port that is taken.
    pub async fn start(options: Options) -> io::Result<Self> {
        let bind = async |name: &str, port: u16| {
            TcpListener::bind(("127.0.0.1", port))
                .await
                .map_err(|error| io::Error::new(error.kind(), format!("{name} port {port}: {error}")))
        };
        let s3_listener = bind("s3", options.s3_port).await?;
        let proxy_listener = bind("proxy", options.proxy_port).await?;
        let tls_listener = bind("tls", options.tls_port).await?;
        let control_listener = bind("control", options.control_port).await?;
        let public_listener = bind("public", options.public_port).await?;
        let (s3, proxy) = (s3_listener.local_addr()?, proxy_listener.local_addr()?);
        let (tls, control) = (tls_listener.local_addr()?, control_listener.local_addr()?);
        let public = public_listener.local_addr()?;
        let certificate = Certificate::for_localhost(&options.names)?;
        let acceptor = certificate.acceptor()?;
        let state = Arc::new(State::new(certificate));
        let full = FullPort::open()?;

        let mut tasks = JoinSet::new();
        tasks.spawn(server::run(s3_listener, server::service(&options, Access::Signed)?));
        tasks.spawn(server::run(public_listener, server::service(&options, Access::PublicReadOnly)?));
        tasks.spawn(proxy::run(proxy_listener, None, s3, Arc::clone(&state)));
        tasks.spawn(proxy::run(tls_listener, Some(acceptor), s3, Arc::clone(&state)));
        tasks.spawn(control::run(control_listener, Arc::clone(&state)));
        Ok(Self { s3, proxy, tls, control, public, full, state, _tasks: tasks })
    }

    /// The server itself, without faults.
    pub fn s3_url(&self) -> String {
        format!("http://{}", self.s3)
    }

    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.proxy)
    }

    pub fn tls_proxy_url(&self) -> String {
        format!("https://localhost:{}", self.tls.port())
    }

    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }

    /// Where anyone may read `/BUCKET/KEY`, as from a public bucket's domain.
    pub fn public_url(&self) -> String {
        format!("http://localhost:{}", self.public.port())
    }

    /// The authority that signed the TLS port's certificate, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.state.certificate.authority_pem
    }

    /// The TLS port's certificate and its key, as PEM.
    pub fn server_pem(&self) -> (&str, String) {
        self.state.certificate.pem()
    }

    /// A port whose queue is full: what connects to it gets no response.
    pub fn full_url(&self) -> String {
        format!("http://{}", self.full.address)
    }

    /// Replaces all rules.
    pub fn set_faults(&self, rules: Vec<Rule>) {
        self.state.plan.set(rules);
    }

    pub fn clear_faults(&self) {
        self.state.plan.set(Vec::new());
    }

    pub fn events(&self) -> Vec<Event> {
        self.state.events.after(0)
    }
}
