//! One HTTP/1.1 connection that is kept while it can be.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, USER_AGENT};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::identify::who;
use super::report::{Answered, Try};
use crate::cli::{By, TestArgs};
use crate::failure::Failure;

/// How much of a body is kept to see who answered; all of it is read.
const KEPT: usize = 64 << 10;

/// Response header by which haechi says that it answered in an endpoint's place, and why.
const FAULT: &str = "haechi-fault";

/// What all connections ask.
pub(super) struct Plan {
    address: SocketAddr,
    request: Request<Empty<Bytes>>,
    by: By,
    timeout: Duration,
}

impl Plan {
    /// # Errors
    /// The URL or the host can't stand in a request.
    pub(super) fn new(address: SocketAddr, args: TestArgs) -> Result<Self, Failure> {
        let TestArgs { url, host, by, timeout, .. } = args;
        let request = Request::get(url.target)
            .header(HOST, host.unwrap_or(url.authority))
            .header(USER_AGENT, concat!("haechi-test/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|error| Failure::new(format!("{} can't be asked: {error}", url.text)))?;
        Ok(Self { address, request, by, timeout })
    }
}

/// A connection, once there is one.
#[derive(Default)]
pub(super) struct Connection {
    sender: Option<SendRequest<Empty<Bytes>>>,
    /// Moves the bytes; ends when it is dropped.
    driver: JoinSet<hyper::Result<()>>,
}

impl Connection {
    /// One request, from the wish to the last byte of the answer.
    pub(super) async fn ask(&mut self, plan: &Plan) -> Try {
        let began = haechi_sys::clock::now();
        let end = timeout(plan.timeout, self.exchange(plan)).await;
        let end = end.unwrap_or_else(|_| Err(format!("no whole answer within {:?}", plan.timeout)));
        if end.is_err() {
            // Whatever state it is in, nothing can follow on it.
            self.sender = None;
        }
        Try { took: haechi_sys::clock::now().since(began), end }
    }

    async fn exchange(&mut self, plan: &Plan) -> Result<Answered, String> {
        if let Some(sender) = &mut self.sender {
            match send(sender, plan).await {
                // The other side ended the idle connection and took nothing of the request.
                Err(error) if error.is_canceled() || error.is_closed() => {}
                sent => return read(sent.map_err(|error| words(&error))?, &plan.by).await,
            }
        }
        let sender = self.connect(plan).await.map_err(|error| format!("can't connect: {}", words(&error)))?;
        let response = send(sender, plan).await.map_err(|error| words(&error))?;
        read(response, &plan.by).await
    }

    async fn connect(&mut self, plan: &Plan) -> io::Result<&mut SendRequest<Empty<Bytes>>> {
        self.driver = JoinSet::new();
        let stream = TcpStream::connect(plan.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        self.driver.spawn(connection);
        Ok(self.sender.insert(sender))
    }
}

async fn send(sender: &mut SendRequest<Empty<Bytes>>, plan: &Plan) -> hyper::Result<Response<Incoming>> {
    sender.ready().await?;
    sender.send_request(plan.request.clone()).await
}

async fn read(response: Response<Incoming>, by: &By) -> Result<Answered, String> {
    let (head, mut body) = response.into_parts();
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the body broke off: {}", words(&error)))?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        kept.extend_from_slice(&data[..data.len().min(KEPT - kept.len())]);
    }
    let fault = fault(&head.headers);
    let who = if fault.is_some() { "haechi itself".to_owned() } else { who(by, &head.headers, &kept) };
    Ok(Answered { status: head.status.as_u16(), who, fault })
}

fn fault(fields: &HeaderMap) -> Option<String> {
    fields.get(FAULT).map(|fault| String::from_utf8_lossy(fault.as_bytes()).into_owned())
}

/// What happened, in few words, so that equal failures are counted together.
fn words(error: &(dyn Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind().to_string();
        }
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message) {
            return "the connection was closed before a whole answer".to_owned();
        }
        cause = error.source();
    }
    error.to_string()
}
