//! How answers are coded, by route: as the route says, or else its listener.

use std::sync::Arc;

use haechi_coding::Rules;
use haechi_model::{Listener, ListenerKind, RouteCompression};

/// Nothing at all if no answer is coded.
pub(super) fn codings(config: &Listener) -> Box<[Option<Arc<Rules>>]> {
    let ListenerKind::Http(http) = &config.kind else { return Box::default() };
    let usual = http.compression.as_ref().map(|compression| Arc::new(Rules::new(compression)));
    let rules =
        http.routes.iter().map(|route| match route.filters.as_ref().map(|filters| &filters.compression) {
            None | Some(RouteCompression::AsListener) => usual.clone(),
            Some(RouteCompression::Off) => None,
            Some(RouteCompression::Of(own)) => Some(Arc::new(Rules::new(own))),
        });
    let rules: Box<[_]> = rules.collect();
    if rules.iter().any(Option::is_some) { rules } else { Box::default() }
}
