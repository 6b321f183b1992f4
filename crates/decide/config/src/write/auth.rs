//! Who else is asked, as keys and values.

use haechi_model::{ExternalAuth, Pool};

use super::tree::{Field, Out, count, may, must, pool_name, time};
use crate::defaults;

pub(super) fn external_auth(auth: &ExternalAuth, pools: &[Pool]) -> Field {
    let names = |names: &[Box<str>]| Out::List(names.iter().map(Out::text).collect());
    let mut keys = vec![must("pool", pool_name(auth.pool, pools))];
    keys.push(may("path", Out::text(&auth.path), *auth.path == *"/"));
    keys.extend(auth.host.as_ref().map(|host| must("host", Out::text(host))));
    let usual = auth.request_headers == defaults::auth_headers();
    keys.push(may("requestHeaders", names(&auth.request_headers), usual));
    keys.push(may("responseHeaders", names(&auth.response_headers), auth.response_headers.is_empty()));
    keys.push(time("timeout", auth.timeout, defaults::AUTH_TIMEOUT));
    keys.push(count("allowOnFailure", &auth.allow_on_failure, &false));
    must("externalAuth", Out::Map(keys))
}
