//! The other end of the Unix socket, for the verbs. Each call opens a connection of its own: the verbs call
//! once a second at most, and a haechi that was started anew is found again without further ado.

mod error;

use std::path::{Path, PathBuf};
use std::time::Duration;

use haechi_model::AdminState;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use error::ClientError;

use crate::api::{
    Applied, EndpointChanged, ErrorBody, Events, FlightRecord, HaStatus, HandOver, Rehearsal, SetAdminState,
    Status, Upgraded, VirtualRouterStatus,
};

/// Largest answer taken, in bytes: ten times what the status of 10,000 endpoints has.
const MAX_ANSWER: usize = 128 << 20;

/// For an answer; longer than the server takes for any request.
const PATIENCE: Duration = Duration::from_secs(100);

/// Asks the haechi behind one socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// For the haechi that serves this socket. Nothing is opened yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Everything at this moment.
    ///
    /// # Errors
    /// See [`ClientError`]; so for all calls.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.call(Method::GET, "/v1/status", None).await
    }

    /// Events above `after`, at most `limit` of the newest. With `wait`, an answer without events comes only
    /// after that time.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn events(
        &self,
        after: u64,
        limit: usize,
        wait: Option<Duration>,
    ) -> Result<Events, ClientError> {
        let wait = wait.map(|wait| format!("&wait={}ms", wait.as_millis())).unwrap_or_default();
        self.call(Method::GET, &format!("/v1/events?after={after}&limit={limit}{wait}"), None).await
    }

    /// Reads the config again and applies it; with `dry_run` only says what would change.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn reload(&self, dry_run: bool) -> Result<Applied, ClientError> {
        self.call(Method::POST, &format!("/v1/reload?dryRun={dry_run}"), None).await
    }

    /// Lets the program that stands in the running one's place take over within this time.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn upgrade(&self, within: Duration) -> Result<Upgraded, ClientError> {
        self.call(Method::POST, &format!("/v1/upgrade?wait={}ms", within.as_millis()), None).await
    }

    /// The virtual routers.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn ha(&self) -> Result<HaStatus, ClientError> {
        self.call(Method::GET, "/v1/ha", None).await
    }

    /// What happened to a virtual router around its last change.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn record(&self, router: &str) -> Result<FlightRecord, ClientError> {
        self.call(Method::GET, &format!("/v1/ha/{}/record", segment(router)), None).await
    }

    /// Lets another node take over a virtual router; see [`HandOver`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn hand_over(&self, router: &str, wish: &HandOver) -> Result<VirtualRouterStatus, ClientError> {
        let body = serde_json::to_vec(wish).map_err(|error| self.broken(error))?;
        self.call(Method::POST, &format!("/v1/ha/{}/handover", segment(router)), Some(body)).await
    }

    /// Takes a virtual router back that was handed over.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn take_back(&self, router: &str) -> Result<VirtualRouterStatus, ClientError> {
        self.call(Method::POST, &format!("/v1/ha/{}/takeback", segment(router)), None).await
    }

    /// Has what a rehearsal gave kept.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn keep_rehearsal(&self, rehearsal: &Rehearsal) -> Result<VirtualRouterStatus, ClientError> {
        let body = serde_json::to_vec(rehearsal).map_err(|error| self.broken(error))?;
        let target = format!("/v1/ha/{}/rehearsals", segment(&rehearsal.router));
        self.call(Method::POST, &target, Some(body)).await
    }

    /// Sets what the operator wants of an endpoint.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_admin_state(
        &self,
        pool: &str,
        endpoint: &str,
        state: AdminState,
    ) -> Result<EndpointChanged, ClientError> {
        let path = format!("/v1/endpoints/{}/{}/admin", segment(pool), segment(endpoint));
        let body = serde_json::to_vec(&SetAdminState { state }).map_err(|error| self.broken(error))?;
        self.call(Method::POST, &path, Some(body)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, ClientError> {
        let exchange = self.exchange(method, target, body);
        let (status, bytes) =
            timeout(PATIENCE, exchange).await.map_err(|_| self.broken("no answer in time"))??;
        if !status.is_success() {
            let body: ErrorBody = serde_json::from_slice(&bytes)
                .map_err(|_| self.broken(format_args!("status {status} without a reason")))?;
            return Err(ClientError::Refused { status: status.as_u16(), body });
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            self.broken(format_args!("the answer is not what this version expects: {error}"))
        })
    }

    async fn exchange(
        &self,
        method: Method,
        target: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(hyper::StatusCode, Bytes), ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| ClientError::connect(self.socket.clone(), source))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(error))?;
        let mut request = Request::builder().method(method).uri(target).header(HOST, "haechi");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| self.broken(error))?;
        // A set, because it ends its task when it is dropped: so does whoever loses patience.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let response = sender.send_request(request).await.map_err(|error| self.broken(error))?;
        self.read(response).await
    }

    async fn read(&self, response: Response<Incoming>) -> Result<(hyper::StatusCode, Bytes), ClientError> {
        let status = response.status();
        let collected = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let bytes = collected.map_err(|error| match error.is::<LengthLimitError>() {
            true => self.broken(format_args!("the answer is over {MAX_ANSWER} bytes")),
            false => self.broken(error),
        })?;
        Ok((status, bytes.to_bytes()))
    }

    fn broken(&self, why: impl std::fmt::Display) -> ClientError {
        ClientError::Broken { socket: self.socket.clone(), why: why.to_string() }
    }
}

/// One segment of a path: whatever a person typed stays one segment.
fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
