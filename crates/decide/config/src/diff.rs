//! What changes between two snapshots, and whom it disturbs. Nothing here acts: the shell applies the new
//! snapshot as a whole, and shows this plan before.

mod virtual_router;

use std::collections::{HashMap, HashSet};
use std::fmt;

use haechi_model::{Listener, ListenerKind, Pool, Route, Snapshot};
use serde::{Serialize, Serializer};

use crate::write::{self, Field, Out, flow};

/// Longest value in a step, in characters; the files show the rest.
const MAX_VALUE: usize = 80;

/// Whom a step disturbs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Disruption {
    /// Nobody.
    None,
    /// Open connections finish within the drain timeout; new work goes elsewhere.
    Drains,
    /// A virtual router says goodbye as what it was and begins anew as what it is now: another node may be
    /// active in between, and have its addresses.
    Readvertises,
    /// Sockets are opened and closed; what is not accepted in between is refused.
    Rebinds,
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Step {
    /// What changes: `endpoint web/web-1`, `listener web`, `node`.
    pub subject: String,
    /// How: `weight 1 -> 3`.
    pub change: String,
    /// Whom it disturbs.
    pub disruption: Disruption,
}

/// All changes from one snapshot to another, in the order of the format. As JSON a list of steps.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// Empty exactly if the snapshots are equal.
    pub steps: Vec<Step>,
}

/// What it takes to get from `old` to `new`. Listeners, pools, endpoints and virtual routers are matched
/// by name, which is their identity; routes by what they match.
pub fn diff(old: &Snapshot, new: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    let (before, after) = (head(old), head(new));
    compare("", &before, &after, &mut |path, change| {
        let subject = path.split('.').next().unwrap_or_default().to_owned();
        let change = change.strip_prefix(&format!("{subject}.")).unwrap_or(&change).to_owned();
        // Threads and the admin socket exist from start to end.
        let disruption =
            if matches!(&*subject, "workers" | "admin") { Disruption::Rebinds } else { Disruption::None };
        plan.add(subject, change, disruption);
    });
    listeners(old, new, &mut plan);
    pools(old, new, &mut plan);
    virtual_router::virtual_routers(old, new, &mut plan);
    plan
}

impl Plan {
    /// The worst that any step does.
    pub fn disruption(&self) -> Disruption {
        self.steps.iter().map(|step| step.disruption).max().unwrap_or(Disruption::None)
    }

    fn add(&mut self, subject: impl Into<String>, change: impl Into<String>, disruption: Disruption) {
        self.steps.push(Step { subject: subject.into(), change: change.into(), disruption });
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("no changes\n");
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.subject, self.change, self.disruption)
    }
}

impl fmt::Display for Disruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no disruption",
            Self::Drains => "drains",
            Self::Readvertises => "readvertises",
            Self::Rebinds => "rebinds",
        })
    }
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.steps)
    }
}

/// Everything but listeners and pools.
fn head(snapshot: &Snapshot) -> Vec<Field> {
    let rest = Snapshot {
        node: snapshot.node.clone(),
        workers: snapshot.workers,
        memory_ceiling: snapshot.memory_ceiling,
        admin: snapshot.admin.clone(),
        acme: snapshot.acme.clone(),
        listeners: Vec::new(),
        pools: Vec::new(),
        virtual_routers: Vec::new(),
    };
    fields(write::root(&rest)).into_iter().filter(|field| field.key != "pools").collect()
}

fn fields(out: Out) -> Vec<Field> {
    match out {
        Out::Map(fields) => fields,
        _ => Vec::new(),
    }
}

/// Tells `tell` of every leaf that differs, with its path and the change in words.
fn compare(path: &str, old: &[Field], new: &[Field], tell: &mut dyn FnMut(&str, String)) {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for Field { key, value: before, .. } in old {
        let path = join(key);
        match new.iter().find(|field| field.key == *key).map(|field| &field.value) {
            Some(after) if after == before => {}
            Some(Out::Map(after)) => match before {
                Out::Map(before) => compare(&path, before, after, tell),
                _ => tell(
                    &path,
                    format!("{path} {} -> {}", show(before), cut(&flow(&Out::Map(after.clone())))),
                ),
            },
            Some(after) => tell(&path, format!("{path} {} -> {}", show(before), show(after))),
            None => tell(&path, format!("{path} removed")),
        }
    }
    for Field { key, value, .. } in new.iter().filter(|field| !old.iter().any(|old| old.key == field.key)) {
        let path = join(key);
        tell(&path, format!("{path} added: {}", show(value)));
    }
}

fn show(value: &Out) -> String {
    cut(&flow(&value.clone().without_defaults()))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn listeners(old: &Snapshot, new: &Snapshot, plan: &mut Plan) {
    let before: HashMap<_, _> = old.listeners.iter().map(|one| (&one.name, one)).collect();
    let after: HashSet<_> = new.listeners.iter().map(|one| &one.name).collect();
    for one in old.listeners.iter().filter(|one| !after.contains(&one.name)) {
        plan.add(format!("listener {}", one.name), "removed", Disruption::Drains);
    }
    // Then equal positions mean equal pools, and an unchanged listener needs no closer look.
    let same = old.pools.iter().map(|pool| &pool.name).eq(new.pools.iter().map(|pool| &pool.name));
    for one in &new.listeners {
        match before.get(&one.name) {
            Some(known) if same && *known == one => {}
            Some(known) => listener((known, &old.pools), (one, &new.pools), plan),
            None => plan.add(
                format!("listener {}", one.name),
                format!("added: {}", bind(one, &new.pools)),
                Disruption::None,
            ),
        }
    }
    let kept = |list: &[Listener], other: &HashSet<_>| {
        list.iter().map(|one| one.name.clone()).filter(|name| other.contains(name)).collect::<Vec<_>>()
    };
    let before: HashSet<_> = before.into_keys().collect();
    if kept(&old.listeners, &after) != kept(&new.listeners, &before) {
        plan.add("listeners", "order", Disruption::None);
    }
}

fn bind(listener: &Listener, pools: &[Pool]) -> String {
    let fields = fields(write::listener(listener, pools));
    fields.iter().find(|field| field.key == "bind").map_or_else(String::new, |field| show(&field.value))
}

fn listener(old: (&Listener, &[Pool]), new: (&Listener, &[Pool]), plan: &mut Plan) {
    let subject = format!("listener {}", new.0.name);
    let fields = |(one, pools): (&Listener, &[Pool])| -> Vec<Field> {
        fields(write::listener(one, pools)).into_iter().filter(|field| field.key != "routes").collect()
    };
    compare("", &fields(old), &fields(new), &mut |path, change| {
        let disruption = match path {
            "bind" => Disruption::Rebinds,
            "protocol" => Disruption::Drains,
            _ => Disruption::None,
        };
        plan.add(&subject, change, disruption);
    });
    let of = |kind: &ListenerKind| -> Vec<Route> {
        match kind {
            ListenerKind::Http(http) => http.routes.clone(),
            ListenerKind::Tls(tls) => tls.routes.clone(),
            ListenerKind::Tcp(_) | ListenerKind::Udp(_) => Vec::new(),
        }
    };
    // Of another protocol, all is another.
    if std::mem::discriminant(&old.0.kind) == std::mem::discriminant(&new.0.kind) {
        let name = new.0.name.to_string();
        routes(&name, (&of(&old.0.kind), old.1), (&of(&new.0.kind), new.1), plan);
    }
}

/// What a route does with what it matches: its pools, and its filters.
#[derive(PartialEq)]
struct Does(Vec<Field>);

impl Does {
    fn of(route: &Route, pools: &[Pool]) -> Self {
        let fields = fields(write::route(route, pools));
        Self(
            fields
                .into_iter()
                .filter(|field| matches!(&*field.key, "pool" | "pools" | "splitBy" | "filters"))
                .collect(),
        )
    }
}

impl fmt::Display for Does {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let does: Vec<_> =
            self.0.iter().map(|Field { key, value, .. }| format!("{key} {}", show(value))).collect();
        f.write_str(&does.join(", "))
    }
}

fn routes(listener: &str, old: (&[Route], &[Pool]), new: (&[Route], &[Pool]), plan: &mut Plan) {
    let keyed = |(routes, pools): (&[Route], &[Pool])| -> Vec<(String, Does)> {
        routes.iter().map(|route| (route.matches(), Does::of(route, pools))).collect()
    };
    let (before, after) = (keyed(old), keyed(new));
    if before == after {
        return;
    }
    let start = plan.steps.len();
    let known: HashMap<_, _> = before.iter().rev().map(|(key, does)| (key, does)).collect();
    let kept: HashSet<_> = after.iter().map(|(key, _)| key).collect();
    for (key, _) in before.iter().filter(|(key, _)| !kept.contains(key)) {
        plan.add(format!("route {listener}: {}", cut(key)), "removed", Disruption::None);
    }
    for (key, does) in &after {
        let subject = || format!("route {listener}: {}", cut(key));
        match known.get(key) {
            Some(old) => {
                compare("", &old.0, &does.0, &mut |_, change| plan.add(subject(), change, Disruption::None));
            }
            None => plan.add(subject(), format!("added: {does}"), Disruption::None),
        }
    }
    // Order and repetition change nothing for requests, but they are part of the file.
    if plan.steps.len() == start {
        plan.add(format!("listener {listener}"), "order of routes", Disruption::None);
    }
}

fn pools(old: &Snapshot, new: &Snapshot, plan: &mut Plan) {
    let before: HashMap<_, _> = old.pools.iter().map(|one| (&one.name, one)).collect();
    let after: HashSet<_> = new.pools.iter().map(|one| &one.name).collect();
    for one in old.pools.iter().filter(|one| !after.contains(&one.name)) {
        plan.add(format!("pool {}", one.name), format!("removed, with {}", count(one)), Disruption::Drains);
    }
    for one in &new.pools {
        match before.get(&one.name) {
            Some(known) if *known == one => {}
            Some(known) => pool(known, one, plan),
            None => plan.add(
                format!("pool {}", one.name),
                format!("added, with {}", count(one)),
                Disruption::None,
            ),
        }
    }
    let kept = |list: &[Pool], other: &HashSet<_>| {
        list.iter().map(|one| one.name.clone()).filter(|name| other.contains(name)).collect::<Vec<_>>()
    };
    let before: HashSet<_> = before.into_keys().collect();
    if kept(&old.pools, &after) != kept(&new.pools, &before) {
        plan.add("pools", "order", Disruption::None);
    }
}

fn count(pool: &Pool) -> String {
    match pool.endpoints.len() {
        1 => "1 endpoint".into(),
        many => format!("{many} endpoints"),
    }
}

fn pool(old: &Pool, new: &Pool, plan: &mut Plan) {
    let subject = format!("pool {}", new.name);
    let split = |pool: &Pool| {
        let (endpoints, rest): (Vec<_>, Vec<_>) =
            fields(write::pool(pool)).into_iter().partition(|field| field.key == "endpoints");
        (endpoints.into_iter().flat_map(|field| fields(field.value)).collect::<Vec<_>>(), rest)
    };
    let ((old_endpoints, old), (new_endpoints, new_rest)) = (split(old), split(new));
    compare("", &old, &new_rest, &mut |_, change| plan.add(&subject, change, Disruption::None));
    endpoints(&new.name.to_string(), &old_endpoints, &new_endpoints, plan);
}

fn endpoints(pool: &str, old: &[Field], new: &[Field], plan: &mut Plan) {
    let before: HashMap<_, _> = old.iter().map(|field| (&field.key, &field.value)).collect();
    let after: HashSet<_> = new.iter().map(|field| &field.key).collect();
    for Field { key, .. } in old.iter().filter(|field| !after.contains(&field.key)) {
        plan.add(format!("endpoint {pool}/{key}"), "removed", Disruption::Drains);
    }
    for Field { key, value, .. } in new {
        let subject = format!("endpoint {pool}/{key}");
        match (before.get(key), value) {
            (Some(Out::Map(known)), Out::Map(fields)) => endpoint(&subject, known, fields, plan),
            _ => plan.add(subject, format!("added: {}", show(value)), Disruption::None),
        }
    }
    let kept = |list: &[Field], other: &HashSet<&String>| {
        list.iter().map(|field| field.key.clone()).filter(|key| other.contains(key)).collect::<Vec<_>>()
    };
    if kept(old, &after) != kept(new, &before.keys().copied().collect()) {
        plan.add(format!("pool {pool}"), "order of endpoints", Disruption::None);
    }
}

fn endpoint(subject: &str, old: &[Field], new: &[Field], plan: &mut Plan) {
    let enabled = new.iter().any(|field| field.key == "admin" && field.value == Out::Bare("enabled".into()));
    compare("", old, new, &mut |path, change| {
        // Another address is another process: the old one drains, the new one starts.
        let drains = path == "address" || (path == "admin" && !enabled);
        plan.add(subject, change, if drains { Disruption::Drains } else { Disruption::None });
    });
}
