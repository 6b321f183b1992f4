//! Questions to a directory over HTTP/1.1 and TLS, each bounded: a directory that is dead, slow or lies costs a try and
//! no more.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haechi_acme::Blame;
use haechi_trust::Refusal;
use http::header::{CONTENT_TYPE, HOST, HeaderValue, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient, Problem};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::failure::{Failure, clean};
use crate::now;

/// Longest from a question's begin to its answer's last byte.
const LONGEST: Duration = Duration::from_secs(30);

/// Longest until an address answers; the next one is tried then.
const CONNECT: Duration = Duration::from_secs(5);

/// Largest answer. A chain of ten certificates has some 30 KiB.
const MOST_BODY: usize = 256 << 10;

/// Longest that a directory may have us wait between two questions, in seconds. What is longer is a failure, and counts
/// as one. It also keeps the time within what `instant-acme` can add up: it panics on what is beyond all time.
const MOST_PAUSE: i64 = 60;

/// Who asks.
#[derive(Clone)]
pub(crate) struct Wire {
    tls: TlsConnector,
}

impl Wire {
    pub(crate) fn new(tls: ClientConfig) -> Self {
        Self { tls: Arc::new(tls).into() }
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<Response<Full<Bytes>>, Failure> {
        let uri = request.uri().clone();
        let asked =
            format!("{}://{}{}", scheme(&uri), uri.authority().map_or("", |it| it.as_str()), uri.path());
        let answer = tokio::time::timeout(LONGEST, self.ask_patiently(request, &uri)).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(Failure::new(Blame::Issuer, format!("no whole answer in {} s", LONGEST.as_secs())))
        });
        let answer = answer.and_then(judge);
        answer.map_err(|failure| Failure { text: format!("{}: {}", clean(&asked), failure.text), ..failure })
    }

    async fn ask_patiently(
        &self,
        mut request: Request<BodyWrapper<Bytes>>,
        uri: &Uri,
    ) -> Result<Response<Bytes>, Failure> {
        let stream = self.connect(uri).await?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let (path, host) = (path.parse(), uri.authority().map(|it| HeaderValue::from_str(it.as_str())));
        let (Ok(path), Some(Ok(host))) = (path, host) else {
            return Err(Failure::new(Blame::Issuer, "it is no URL that can be asked"));
        };
        *request.uri_mut() = path;
        request.headers_mut().insert(HOST, host);
        let broken =
            |error: hyper::Error| Failure::new(Blame::Issuer, format!("the answer broke off: {error}"));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        let answer = sender.send_request(request).await.map_err(broken);
        let answer = match answer {
            Err(failure) => Err(failure),
            Ok(answer) => {
                let (parts, body) = answer.into_parts();
                let body = Limited::new(body, MOST_BODY).collect().await;
                body.map(|body| Response::from_parts(parts, body.to_bytes())).map_err(|error| {
                    Failure::new(Blame::Issuer, format!("the answer can't be read: {error}"))
                })
            }
        };
        connection.abort();
        answer
    }

    async fn connect(&self, uri: &Uri) -> Result<TlsStream<TcpStream>, Failure> {
        let issuer = |text: String| Failure::new(Blame::Issuer, text);
        if uri.scheme_str() != Some("https") {
            return Err(issuer("the issuer names a URL that is not https".into()));
        }
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| issuer("the issuer's URL has no host".into()))?;
        let addresses = tokio::net::lookup_host((host, uri.port_u16().unwrap_or(443))).await;
        let addresses = addresses.map_err(|error| issuer(format!("{host} can't be resolved: {error}")))?;
        let mut last = issuer(format!("{host} has no address"));
        for address in addresses {
            match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let secure = self.tls.connect(name, stream).await;
                    return secure.map_err(|error| issuer(in_words(&error)));
                }
                Ok(Err(error)) => last = issuer(format!("can't connect to {address}: {error}")),
                Err(_) => {
                    last =
                        issuer(format!("can't connect to {address}: no answer in {} s", CONNECT.as_secs()));
                }
            }
        }
        Err(last)
    }
}

impl HttpClient for Wire {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let asking = self.clone().ask(request);
        Box::pin(async move {
            asking.await.map(BytesResponse::from).map_err(|failure| Error::Other(Box::new(failure)))
        })
    }
}

fn scheme(uri: &Uri) -> &str {
    uri.scheme_str().unwrap_or("https")
}

fn in_words(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls.map(Refusal::of) {
        Some(Refusal::Untrusted(text) | Refusal::Failed(text)) => text.replace("the endpoint", "the issuer"),
        None => format!("the TLS handshake broke off: {error}"),
    }
}

/// What of an answer goes on to who reads it.
fn judge(answer: Response<Bytes>) -> Result<Response<Full<Bytes>>, Failure> {
    let issuer = |text: String| Failure::new(Blame::Issuer, text);
    let (mut parts, body) = answer.into_parts();
    let status = parts.status;
    if status.is_redirection() {
        let to = parts.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
        return Err(issuer(format!(
            "it redirects to {}, and redirects are not followed; `directory` must be the URL itself",
            clean(to)
        )));
    }
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = kind.ends_with("json");
    if json && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
        return Err(issuer(format!("it answers {} with what is no JSON", status.as_u16())));
    }
    if !json && !status.is_success() || kind == "text/html" && !body.is_empty() {
        let kind = if kind.is_empty() { "nothing" } else { &kind };
        return Err(issuer(format!(
            "it answers {} with {} where JSON is due; is it an ACME directory?",
            status.as_u16(),
            clean(kind)
        )));
    }
    let wait = retry_after(&parts.headers, now());
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        let problem = serde_json::from_slice::<Problem>(&body).ok();
        let failure = problem.as_ref().map_or_else(|| issuer(format!("it answers {status}")), Failure::of);
        let blame = if status == StatusCode::TOO_MANY_REQUESTS { Blame::Limit } else { failure.blame };
        return Err(Failure { blame, until: wait.map(|wait| now().saturating_add(wait)), ..failure });
    }
    parts.headers.remove(RETRY_AFTER);
    if let Some(wait) = wait {
        parts.headers.insert(RETRY_AFTER, HeaderValue::from(wait.min(MOST_PAUSE)));
    }
    Ok(Response::from_parts(parts, Full::new(body)))
}

/// Seconds from `now` on (RFC 9110 section 10.2.3), if it says so at all.
fn retry_after(headers: &HeaderMap, now: i64) -> Option<i64> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
        // More than fits is as good as for ever.
        return Some(value.parse().unwrap_or(i64::MAX));
    }
    let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_second();
    Some(at.saturating_sub(now).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
        let builder = headers
            .iter()
            .fold(Response::builder().status(status), |it, (name, value)| it.header(*name, *value));
        builder.body(Bytes::from(body.to_owned())).unwrap()
    }

    #[test]
    fn an_issuer_that_lies_is_told_from_one_that_refuses() {
        let json = ("content-type", "application/json");
        let problem = ("content-type", "application/problem+json");
        for (status, headers, body, blame, text) in [
            (302, &[("location", "https://other/")][..], "", Blame::Issuer, "redirects to https://other/"),
            (307, &[], "", Blame::Issuer, "redirects to nowhere"),
            (
                200,
                &[("content-type", "text/html; charset=utf-8")],
                "<html>",
                Blame::Issuer,
                "text/html where JSON",
            ),
            (200, &[json], "{", Blame::Issuer, "no JSON"),
            (502, &[("content-type", "text/html")], "<html>", Blame::Issuer, "answers 502 with text/html"),
            (500, &[], "", Blame::Issuer, "answers 500 with nothing"),
            (429, &[problem], "{\"detail\": \"slow down\"}", Blame::Limit, "slow down"),
            (503, &[problem], "{}", Blame::Issuer, "no reason"),
        ] {
            let failure = judge(answer(status, headers, body)).unwrap_err();
            assert_eq!(failure.blame, blame, "{failure}");
            assert!(failure.text.contains(text), "{failure}");
        }
        assert!(judge(answer(200, &[json], "{}")).is_ok());
        assert!(judge(answer(200, &[("content-type", "application/pem-certificate-chain")], "x")).is_ok());
        assert!(judge(answer(204, &[], "")).is_ok());
        assert!(judge(answer(400, &[problem], "{}")).is_ok(), "who reads it says what it means");
    }

    #[test]
    fn a_wait_is_told_and_never_beyond_all_time() {
        let limited = |value: &str| {
            let headers = [("content-type", "application/problem+json"), ("retry-after", value)];
            let until = judge(answer(429, &headers, "{}")).unwrap_err().until;
            until.map(|until| until.saturating_sub(now()))
        };
        assert!((119..=120).contains(&limited("120").unwrap()));
        assert_eq!(limited("Fri, 31 Dec 1999 23:59:59 GMT"), Some(0));
        assert!(limited("Tue, 31 Dec 2999 23:59:59 GMT").unwrap() > 30_000_000_000);
        assert!(limited("18446744073709551616000").unwrap() > i64::MAX / 2);
        for nonsense in ["", "soon", "-1", "1.5"] {
            assert_eq!(limited(nonsense), None, "{nonsense}");
        }
        let headers = [("content-type", "application/json"), ("retry-after", "18446744073709551615")];
        let fine = judge(answer(200, &headers, "{}")).unwrap();
        assert_eq!(fine.headers()["retry-after"], "60", "a panic of instant-acme's otherwise");
    }
}
