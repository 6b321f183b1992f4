//! What each path does. Handlers translate between HTTP and [`Control`]; nothing is decided here.
//!
//! Writes run as tasks of their own: a client that goes away must not stop a reload in the middle.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use haechi_model::EndpointId;
use serde::Deserialize;
use tokio::time::timeout;

use super::body;
use super::refusal::Refusal;
use crate::api::{
    Applied, EndpointChanged, Events, FlightRecord, HaStatus, HandOver, Rehearsal, SetAdminState, Status,
    Upgraded, VirtualRouterStatus,
};
use crate::{Control, Problem, metrics};

/// Most events in one answer.
pub const MAX_EVENTS: usize = 1000;

/// Longest wait for the next event; proxies in between usually give up after a minute.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

/// For a whole request: the longest wait and half as much again for the work.
const REQUEST_TIME: Duration = Duration::from_secs(90);

/// For a new process to get ready, if nothing is said: ten thousand endpoints take a second.
pub const UPGRADE_TIME: Duration = Duration::from_secs(30);

/// What there is, for those who ask for something else.
const PATHS: &str = "there are: GET /v1/status, GET /v1/ha, GET /v1/ha/ROUTER/record, GET /v1/events?after=N&limit=N&wait=30s, GET /metrics, GET /healthz, \
                     POST /v1/reload?dryRun=true, POST /v1/upgrade?wait=30s, POST /v1/endpoints/POOL/ENDPOINT/admin with {\"state\":\"draining\"}, \
                     POST /v1/ha/ROUTER/handover with {\"to\":\"PEER\"}, POST /v1/ha/ROUTER/takeback, \
                     POST /v1/ha/ROUTER/rehearsals with what one gave";

type Answer<T> = Result<Json<T>, Refusal>;

/// All routes; the TCP door takes the writes away again.
pub(super) fn all<C: Control>(control: Arc<C>) -> Router {
    Router::new()
        .route("/v1/status", get(status::<C>))
        .route("/v1/ha", get(ha::<C>))
        .route("/v1/ha/{router}/record", get(record::<C>))
        .route("/v1/ha/{router}/handover", post(hand_over::<C>))
        .route("/v1/ha/{router}/takeback", post(take_back::<C>))
        .route("/v1/ha/{router}/rehearsals", post(keep_rehearsal::<C>))
        .route("/v1/events", get(events::<C>))
        .route("/v1/reload", post(reload::<C>))
        .route("/v1/upgrade", post(upgrade::<C>))
        .route("/v1/endpoints/{pool}/{endpoint}/admin", post(set_admin_state::<C>))
        .route("/metrics", get(scrape::<C>))
        .route("/healthz", get(async || "ok"))
        .fallback(async |uri: Uri| {
            Refusal::new(StatusCode::NOT_FOUND, format!("no such path: `{}`; {PATHS}", uri.path()))
        })
        .method_not_allowed_fallback(async |method: Method| {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("this path does not take {method}; {PATHS}"))
        })
        .layer(from_fn(bound))
        .with_state(control)
}

async fn bound(request: Request, next: Next) -> Response {
    let mut response = timeout(REQUEST_TIME, next.run(request)).await.unwrap_or_else(|_| {
        let text = format!("not done within {} s; it goes on, see `haechi status`", REQUEST_TIME.as_secs());
        Refusal::new(StatusCode::GATEWAY_TIMEOUT, text).into_response()
    });
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn status<C: Control>(State(control): State<Arc<C>>) -> Json<Status> {
    Json(control.status())
}

async fn ha<C: Control>(State(control): State<Arc<C>>) -> Json<HaStatus> {
    Json(control.ha())
}

async fn record<C: Control>(
    State(control): State<Arc<C>>,
    path: Result<Path<String>, PathRejection>,
) -> Answer<FlightRecord> {
    let Path(router) = path.map_err(|error| Refusal::bad(error.body_text()))?;
    finish(async move { control.record(&router).await }).await
}

async fn hand_over<C: Control>(
    State(control): State<Arc<C>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Answer<VirtualRouterStatus> {
    let Path(router) = path.map_err(|error| Refusal::bad(error.body_text()))?;
    let HandOver { to } = body::read(request.into_body()).await?;
    finish(async move { control.hand_over(&router, to.as_deref()).await }).await
}

async fn take_back<C: Control>(
    State(control): State<Arc<C>>,
    path: Result<Path<String>, PathRejection>,
) -> Answer<VirtualRouterStatus> {
    let Path(router) = path.map_err(|error| Refusal::bad(error.body_text()))?;
    finish(async move { control.take_back(&router).await }).await
}

async fn keep_rehearsal<C: Control>(
    State(control): State<Arc<C>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Answer<VirtualRouterStatus> {
    let Path(router) = path.map_err(|error| Refusal::bad(error.body_text()))?;
    let told: Rehearsal = body::read(request.into_body()).await?;
    finish(async move { control.keep_rehearsal(Rehearsal { router, ..told }).await }).await
}

async fn scrape<C: Control>(State(control): State<Arc<C>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(&control.status(), &control.ha()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
    wait: Option<String>,
}

async fn events<C: Control>(
    State(control): State<Arc<C>>,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Answer<Events> {
    let Query(EventsQuery { after, limit, wait }) = query.map_err(bad_query)?;
    let limit = limit.unwrap_or(100);
    if !(1..=MAX_EVENTS).contains(&limit) {
        return Err(Refusal::bad(format!("`limit` is from 1 to {MAX_EVENTS}")));
    }
    let wait = wait.as_deref().map(span).transpose()?;
    let mut found = control.events(after, limit);
    // Numbers above the newest are from before a restart: the asker has to know at once.
    if let Some(wait) = wait
        && found.newest == after
    {
        // No event in time is an answer too.
        let _ = timeout(wait, control.next_event(after)).await;
        found = control.events(after, limit);
    }
    Ok(Json(found))
}

/// A wait as `30s` or `500ms`.
fn span(text: &str) -> Result<Duration, Refusal> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    parsed.filter(|wait| *wait <= MAX_WAIT).ok_or_else(|| {
        Refusal::bad(format!(
            "`wait` is a time with its unit, such as `30s`, and at most {}s",
            MAX_WAIT.as_secs()
        ))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ReloadQuery {
    #[serde(default)]
    dry_run: bool,
}

async fn reload<C: Control>(
    State(control): State<Arc<C>>,
    query: Result<Query<ReloadQuery>, QueryRejection>,
) -> Answer<Applied> {
    let Query(ReloadQuery { dry_run }) = query.map_err(bad_query)?;
    finish(async move { control.reload(dry_run).await }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpgradeQuery {
    wait: Option<String>,
}

async fn upgrade<C: Control>(
    State(control): State<Arc<C>>,
    query: Result<Query<UpgradeQuery>, QueryRejection>,
) -> Answer<Upgraded> {
    let Query(UpgradeQuery { wait }) = query.map_err(bad_query)?;
    let within = wait.as_deref().map_or(Ok(UPGRADE_TIME), span)?;
    finish(async move { control.upgrade(within).await }).await
}

async fn set_admin_state<C: Control>(
    State(control): State<Arc<C>>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Answer<EndpointChanged> {
    let Path((pool, endpoint)) = path.map_err(|error| Refusal::bad(error.body_text()))?;
    let wanted: SetAdminState = body::read(request.into_body()).await?;
    let id = EndpointId { pool: pool.into(), endpoint: endpoint.into() };
    finish(async move { control.set_admin_state(&id, wanted.state).await }).await
}

/// Runs a write to its end, whether or not someone still waits for it.
async fn finish<T: Send + 'static>(
    write: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Answer<T> {
    match tokio::spawn(write).await {
        Ok(outcome) => Ok(Json(outcome?)),
        Err(_) => {
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "haechi failed at this; its log says more"))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn bad_query(rejection: QueryRejection) -> Refusal {
    // The long form starts with what every asker knows: "Failed to deserialize query string".
    let text = rejection.body_text();
    let why = text.rsplit_once("query string: ").map_or(&*text, |(_, why)| why);
    Refusal::bad(format!("the query can't be read: {why}"))
}
