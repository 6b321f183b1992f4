//! What goes over the wire: JSON in camelCase. Times are milliseconds since 1970 where they are points, and
//! seconds or milliseconds by their name where they are spans.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use haechi_model::{AdminOrigin, AdminState, Health, Pressure};
use serde::{Deserialize, Serialize};

/// `GET /v1/status`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Of the running binary.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// The node's name.
    pub node: String,
    /// Its failure domain.
    pub zone: Option<String>,
    /// When the process started.
    pub started_at_ms: u64,
    /// Data-plane threads.
    pub workers: usize,
    /// Counts applied changes.
    pub generation: u64,
    /// What the process may do.
    pub rights: RightsStatus,
    /// What it takes, and may take.
    pub memory: MemoryStatus,
    /// Where the config comes from, and what became of the last attempt to change it.
    pub config: ConfigStatus,
    /// In the order of the config.
    pub listeners: Vec<ListenerStatus>,
    /// In the order of the config.
    pub pools: Vec<PoolStatus>,
    /// Certificates that are ordered, by issuer and name.
    #[serde(default)]
    pub ordered: Vec<OrderedStatus>,
    /// How orders came out since the process began: issuer, `given` or whose fault it was, how many.
    #[serde(default)]
    pub orders: Vec<(String, String, u64)>,
}

/// A certificate that is ordered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderedStatus {
    /// From whom.
    pub issuer: String,
    /// For which name.
    pub name: String,
    /// `good`; `ordering`; `failed`, until it is tried again; `elsewhere`, where the issuer would ask another node.
    pub state: String,
    /// More on that; empty where there is no more.
    pub says: String,
    /// When the one in use expires; nothing where there is none.
    pub expires_at_ms: Option<i64>,
    /// When it is ordered next.
    pub next_at_ms: Option<i64>,
    /// In a row.
    pub failures: u32,
    /// The last of them.
    pub last_failure: Option<OrderFailure>,
}

/// Why there was no certificate.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderFailure {
    /// When.
    pub at_ms: i64,
    /// Whose fault: `issuer`, `limit`, `name`, `us`.
    pub blame: String,
    /// In a sentence.
    pub reason: String,
}

/// The process' memory, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryStatus {
    /// Now, pages of files aside; 0 if the kernel does not say.
    pub taken: u64,
    /// What it should take at most.
    pub ceiling: Option<u64>,
    /// How near that is.
    pub pressure: Pressure,
}

/// `GET /v1/ha`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HaStatus {
    /// The node's name.
    pub node: String,
    /// Whether advertisements are sent with real-time priority, and if not, why.
    pub scheduling: String,
    /// What the process may do.
    pub rights: RightsStatus,
    /// In the order of the config; empty if it has none.
    pub virtual_routers: Vec<VirtualRouterStatus>,
}

/// What a process may do, and what it can't for that reason.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RightsStatus {
    /// Kept since the start, as capabilities(7) calls them; all others were given away.
    pub kept: Vec<String>,
    /// What the config needs and the process does not have.
    pub missing: Vec<MissingRight>,
}

/// A right that the config needs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingRight {
    /// `CAP_NET_RAW`
    pub right: String,
    /// Who needs it: `virtual router edge`.
    pub subject: String,
    /// What is not possible without it.
    pub costs: String,
    /// How to have it, or how to do without.
    pub way_out: String,
}

/// A virtual router on this node.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualRouterStatus {
    /// Its key in the config.
    pub name: String,
    /// Its number on the network (VRID).
    pub id: u8,
    /// `initialize`, `backup`, `active` or `yielding`.
    pub state: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since_ms: u64,
    /// As in force: what is tracked and not well lowers it.
    pub priority: u8,
    /// As configured.
    pub configured_priority: u8,
    /// Who is active as far as this node knows.
    pub active: Option<IpAddr>,
    /// Where this node's advertisements come from.
    pub source: IpAddr,
    /// What moves.
    pub addresses: Vec<IpAddr>,
    /// Whether they are on this node.
    pub holds_addresses: bool,
    /// The interval that this node reckons with.
    pub interval_ms: u64,
    /// Changes from one state to another since the start.
    pub transitions: u64,
    /// What the last rehearsal from this node gave, if there was one.
    pub last_rehearsal: Option<Rehearsal>,
    /// What makes this node a better or a worse one, and how it is.
    pub tracked: Vec<TrackedStatus>,
    /// What is wrong now.
    pub alarms: Vec<AlarmStatus>,
    /// Advertisements sent.
    pub sent: u64,
    /// Advertisements of others.
    pub heard: u64,
    /// Advertisements that the kernel did not take.
    pub send_failures: u64,
    /// Advertisements thrown away on its interface, by reason.
    pub dropped: BTreeMap<String, u64>,
}

/// Something that a virtual router tracks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackedStatus {
    /// Which: `pool web`.
    pub name: String,
    /// What follows from it now: `none`, `lower` or `fault`.
    pub effect: String,
    /// By how much the priority is lower for it now.
    pub lowered_by: u8,
    /// How it is, in words.
    pub text: String,
}

/// Something that people must mend.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmStatus {
    /// Which.
    pub kind: String,
    /// For people.
    pub text: String,
    /// Since when.
    pub since_ms: u64,
}

/// `GET /v1/ha/ROUTER/record`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlightRecord {
    /// The node's name.
    pub node: String,
    /// The virtual routers that it is of, in the order in which it numbers them.
    pub routers: Vec<String>,
    /// Wall time of its moment 0, in milliseconds since 1970.
    pub origin_ms: u64,
    /// A `GroupRecord` of haechi-vrrp: it can be played again.
    pub record: serde_json::Value,
    /// What clients saw of the moves of this virtual router to this node.
    #[serde(default)]
    pub results: Vec<Event>,
}

/// `POST /v1/ha/ROUTER/handover`
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    /// Who should follow: an address, or the name of a peer. The best one that listens if not given.
    pub to: Option<String>,
}

/// What a rehearsal of a hand-over gave. `POST /v1/ha/ROUTER/rehearsals` keeps one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rehearsal {
    /// When it began.
    pub at_ms: u64,
    /// Which virtual router.
    pub router: String,
    /// Who took over, if anybody did.
    pub to: Option<IpAddr>,
    /// What came of it, in words: `there and back`.
    pub outcome: String,
    /// The longest time that a client had to wait for its connection; `None` where nobody measured.
    pub gap_ms: Option<f64>,
    /// Connections that were opened to measure it.
    pub attempts: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// From where it was measured, or why it was not.
    pub vantage: String,
}

/// The config in force and the one that was refused.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigStatus {
    /// A path, or `command line`.
    pub source: String,
    /// When the generation in force was applied.
    pub applied_at_ms: u64,
    /// The last attempt, if it was refused: it stays here until one succeeds.
    pub refused: Option<RefusedConfig>,
}

/// A config that was not taken.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedConfig {
    /// When.
    pub at_ms: u64,
    /// Why, in one sentence.
    pub message: String,
    /// The diagnostics as people read them; empty if there are none.
    pub rendered: String,
}

/// A listener.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// `http`, `https`, `tcp`, `tls` or `udp`.
    pub protocol: String,
    /// Where it stands.
    pub bind: Vec<SocketAddr>,
    /// Number of routes.
    pub routes: usize,
    /// Connections or flows open now.
    pub open: u64,
    /// Connections or flows since it came.
    pub accepted: u64,
    /// Requests since it came.
    pub requests: u64,
    /// Answers in an endpoint's place by fault; only those that happened.
    pub faults: BTreeMap<String, u64>,
    /// Limits of HTTP that bit, by name; only those that did.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, u64>,
    /// What it shows to clients, in the order of the config; empty where it speaks no TLS.
    #[serde(default)]
    pub certificates: Vec<CertificateStatus>,
    /// TLS handshakes by how they came out; only those that happened.
    #[serde(default)]
    pub handshakes: Vec<HandshakeCount>,
    /// Its routes with `externalAuth`, in the order of the config.
    #[serde(default)]
    pub auths: Vec<AuthStatus>,
    /// Its routes with several pools, in the order of the config.
    #[serde(default)]
    pub splits: Vec<SplitStatus>,
    /// Of a `udp` listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datagrams: Option<DatagramStatus>,
    /// Bytes of answers that were compressed, by coding, where any may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coded: Option<BTreeMap<String, CodedBytes>>,
}

/// Bytes of answers before and after a content coding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CodedBytes {
    /// As endpoints sent them.
    pub before: u64,
    /// As clients got them, without what frames them.
    pub after: u64,
}

/// A route of whose requests somebody else is asked.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthStatus {
    /// What it matches.
    pub route: String,
    /// Requests by result: `allowed`, `denied`, `failed`, `unjudged`.
    pub results: BTreeMap<String, u64>,
}

/// A route whose requests several pools share.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SplitStatus {
    /// What it matches: `shop.example.com/api GET`.
    pub route: String,
    /// What keeps a client at one pool: `clientAddress`, `header NAME` or `cookie NAME`; nothing if they take turns.
    pub by: Option<String>,
    /// In the order of the config.
    pub pools: Vec<ShareStatus>,
}

/// One pool's part of a split.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShareStatus {
    /// Which.
    pub pool: String,
    /// As in the config.
    pub weight: u32,
    /// Requests or connections whose turn was this pool's, since the route has these pools.
    pub turns: u64,
    /// Those that a key led here.
    pub keyed: u64,
}

/// A certificate in use.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// Its file, as the config names it.
    pub file: String,
    /// Names that it is shown for.
    pub names: Vec<String>,
    /// When its time is over, in milliseconds since 1970.
    pub expires_at_ms: i64,
}

/// TLS handshakes of one kind.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandshakeCount {
    /// `1.2` or `1.3`; empty for one that did not come to its end.
    pub version: String,
    /// `complete`, or why not: `refused`, `notTls`, `left`, `timedOut`, `crowded`.
    pub result: String,
    /// By a ticket of an earlier connection.
    pub resumed: bool,
    /// How many.
    pub count: u64,
}

/// Datagrams of a listener since it came.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DatagramStatus {
    /// From clients.
    pub received: u64,
    /// To clients.
    pub sent: u64,
    /// Those that went no further, by reason; only reasons that occurred.
    pub dropped: BTreeMap<String, u64>,
}

/// A pool.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// As in the config.
    pub algorithm: String,
    /// Too few endpoints can serve, so all are used.
    pub panicking: bool,
    /// Why no endpoint gets work, if none does.
    pub empty: Option<String>,
    /// Requests in the queue.
    pub waiting: u32,
    /// In the order of the config.
    pub endpoints: Vec<EndpointStatus>,
}

/// An endpoint.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointStatus {
    /// Its name in the pool.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its failure domain.
    pub zone: Option<String>,
    /// Its share.
    pub weight: u16,
    /// Its order.
    pub tier: u8,
    /// What the operator wants.
    pub admin: AdminState,
    /// Who said so.
    pub admin_origin: AdminOrigin,
    /// What probes say.
    pub health: Health,
    /// Whether it gets new work as far as health is concerned.
    pub serving: bool,
    /// Taken out by failed requests.
    pub ejected: bool,
    /// Share of its weight during slow start, in percent.
    pub warmth: u8,
    /// Why its health is what it is.
    pub reason: String,
    /// Since when.
    pub since_ms: u64,
    /// What the newest probe said, whether or not it changed anything.
    pub last_probe: Option<String>,
    /// Why the last TLS handshake of a request with it failed; empty if it did not.
    #[serde(default)]
    pub distrust: String,
    /// Requests or connections running.
    pub in_flight: u32,
    /// Requests or connections since it came.
    pub requests: u64,
    /// Its responses by first digit of the status: 1xx to 5xx.
    pub statuses: [u64; 5],
    /// Requests that it failed.
    pub failures: u64,
    /// Requests that came to it after another endpoint failed them.
    pub retries: u64,
    /// Connections opened to it.
    pub connects: u64,
    /// Bytes from it.
    pub bytes_in: u64,
    /// Bytes to it.
    pub bytes_out: u64,
    /// Half of its responses took at most so long.
    pub p50_ms: Option<f64>,
    /// 99 % of its responses took at most so long.
    pub p99_ms: Option<f64>,
    /// Responses that took at most so many seconds, for histograms: bound and count, ascending.
    pub latency: Vec<(f64, u64)>,
    /// Seconds of all responses together.
    pub latency_sum_seconds: f64,
}

/// `GET /v1/events?after=N&limit=N`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Events {
    /// Ascending by `sequence`.
    pub events: Vec<Event>,
    /// Number of the newest event there is; ask for what comes after it next time.
    pub newest: u64,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Counts events of this process from 1 on.
    pub sequence: u64,
    /// When.
    pub at_ms: u64,
    /// What kind, from `haechi_telemetry::event`.
    pub kind: String,
    /// What it happened to: `endpoint web/web-1`, `config`, `listener web`.
    pub subject: String,
    /// What happened and why, in words.
    pub text: String,
}

/// `POST /v1/upgrade`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upgraded {
    /// Of the process that served until now.
    pub from_version: String,
    /// Of the one that serves.
    pub to_version: String,
    /// Its process id.
    pub pid: u32,
}

/// `POST /v1/reload`, `POST /v1/reload?dryRun=true`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// In force now.
    pub generation: u64,
    /// False for a dry run, and when nothing changed.
    pub applied: bool,
    /// The plan as people read it.
    pub plan: String,
    /// The plan's steps for programs.
    pub steps: Vec<serde_json::Value>,
    /// Warnings as people read them; may be empty.
    pub warnings: String,
}

/// `POST /v1/endpoints/{pool}/{endpoint}/admin`, body [`SetAdminState`]
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointChanged {
    /// What it was.
    pub from: AdminState,
    /// What it is.
    pub to: AdminState,
    /// Requests or connections that still run at it.
    pub in_flight: u32,
}

/// What to make of an endpoint.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetAdminState {
    /// The state wanted.
    pub state: AdminState,
}

/// Any answer that is not 2xx.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// What went wrong and what to do.
    pub error: String,
    /// Config diagnostics as people read them, if there are any.
    #[serde(default)]
    pub rendered: String,
    /// The same for programs.
    #[serde(default)]
    pub diagnostics: Vec<serde_json::Value>,
}
