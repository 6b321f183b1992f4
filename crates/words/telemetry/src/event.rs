//! Kinds of events.

/// The process serves.
pub const STARTED: &str = "started";
/// The process takes nothing new.
pub const STOPPING: &str = "stopping";
/// The program that stands in this one's place took over, or could not.
pub const UPGRADE: &str = "upgrade";
/// A generation came into force.
pub const CONFIG_APPLIED: &str = "configApplied";
/// A config was refused; the generation in force stays.
pub const CONFIG_REFUSED: &str = "configRefused";
/// Certificates or the like were read again after their files changed.
pub const FILES_RENEWED: &str = "filesRenewed";
/// Memory is short, or is not any more.
pub const MEMORY_PRESSURE: &str = "memoryPressure";
/// A certificate in use expires soon, or has expired.
pub const CERTIFICATE_EXPIRES: &str = "certificateExpires";
/// A certificate was ordered and came.
pub const CERTIFICATE_ORDERED: &str = "certificateOrdered";
/// An order for a certificate failed; the one in use stays.
pub const CERTIFICATE_FAILED: &str = "certificateFailed";
/// Clients were refused for their certificates, or refused one of ours; once a minute at most for each listener.
pub const CERTIFICATE_REFUSED: &str = "certificateRefused";
/// An endpoint's health changed.
pub const HEALTH_CHANGED: &str = "healthChanged";
/// Failed requests took an endpoint out, or its time is over.
pub const EJECTION_CHANGED: &str = "ejectionChanged";
/// TLS with an endpoint fails, with the reason, or works again.
pub const DISTRUST_CHANGED: &str = "distrustChanged";
/// An operator enabled, drained or disabled an endpoint.
pub const ADMIN_CHANGED: &str = "adminChanged";
/// A pool has no endpoint that can serve, or has one again.
pub const POOL_CHANGED: &str = "poolChanged";
/// A virtual router's state, or the reason of it, changed on this node.
pub const VIRTUAL_ROUTER_CHANGED: &str = "virtualRouterChanged";
/// What clients saw of a virtual router's move to this node.
pub const VIRTUAL_ROUTER_SERVES: &str = "virtualRouterServes";
/// Something is wrong with a virtual router that people must mend, or is mended.
pub const VIRTUAL_ROUTER_ALARM: &str = "virtualRouterAlarm";

/// What the process may do, said at its start.
pub const RIGHTS_KEPT: &str = "rightsKept";
/// The config needs a right that the process does not have.
pub const RIGHT_MISSING: &str = "rightMissing";
/// A hand-over was rehearsed.
pub const REHEARSED: &str = "rehearsed";

/// All of them.
pub const ALL: &[&str] = &[
    STARTED,
    STOPPING,
    UPGRADE,
    CONFIG_APPLIED,
    CONFIG_REFUSED,
    FILES_RENEWED,
    MEMORY_PRESSURE,
    CERTIFICATE_EXPIRES,
    CERTIFICATE_ORDERED,
    CERTIFICATE_FAILED,
    CERTIFICATE_REFUSED,
    HEALTH_CHANGED,
    EJECTION_CHANGED,
    DISTRUST_CHANGED,
    ADMIN_CHANGED,
    POOL_CHANGED,
    VIRTUAL_ROUTER_CHANGED,
    VIRTUAL_ROUTER_SERVES,
    VIRTUAL_ROUTER_ALARM,
    RIGHTS_KEPT,
    RIGHT_MISSING,
    REHEARSED,
];
