//! What programs of virtual routers may do: nothing, unless the thread that starts them passes its rights on.

use haechi_sys::capabilities::{Capability, pass_on};

/// Lets the programs that this thread starts have these, as far as it has them itself.
pub(crate) fn pass_on_rights(rights: &[Capability]) {
    if let Err(error) = pass_on(rights) {
        tracing::warn!(%error, "programs of virtual routers run without rights");
    }
}
