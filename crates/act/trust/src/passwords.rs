//! Users and their passwords.

use std::path::Path;

use haechi_model::{ListenerKind, Snapshot};

use crate::file;
use crate::finding::{Finding, Problem};
use crate::htpasswd::{Complaint, Users};

/// Files of users that a config names.
pub(crate) fn files(snapshot: &Snapshot) -> impl Iterator<Item = &str> {
    let routes = snapshot.listeners.iter().flat_map(|listener| match &listener.kind {
        ListenerKind::Http(http) => &*http.routes,
        ListenerKind::Tcp(_) | ListenerKind::Tls(_) | ListenerKind::Udp(_) => &[],
    });
    let filters = routes.filter_map(|route| route.filters.as_ref());
    filters.filter_map(|filters| filters.basic_auth.as_ref()).map(|auth| &*auth.file)
}

/// Who stands in a file; none if it can't be used.
pub(crate) fn users(folder: &Path, name: &str, findings: &mut Vec<Finding>) -> Option<Users> {
    let told = |complaint: Complaint| {
        let Complaint { line, message, help } = complaint;
        let place = line.map_or_else(|| name.to_owned(), |line| format!("line {line} of {name}"));
        Finding::new(name, Problem::Passwords, format!("{place} can't be used: {message}")).help(help)
    };
    match file::read(folder, name).map(|text| Users::read(&text)) {
        Ok(Ok(users)) => return Some(users),
        Ok(Err(complaints)) => findings.extend(complaints.into_iter().map(told)),
        Err(finding) => findings.push(finding),
    }
    None
}
