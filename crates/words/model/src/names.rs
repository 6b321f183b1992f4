//! Names are identity: health, in-flight counts and connections are keyed by them and outlive a change.

use std::fmt;
use std::sync::Arc;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $type {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }
    };
}

name!(
    /// Key of a listener in the `listeners` map.
    ListenerName
);
name!(
    /// Key of a pool in the `pools` map.
    PoolName
);
name!(
    /// Key of an endpoint in its pool's `endpoints` map. Unique in its pool only.
    EndpointName
);
name!(
    /// A failure domain, as Kubernetes' `topology.kubernetes.io/zone`.
    Zone
);

name!(
    /// Key of a virtual router in the `virtualRouters` map.
    VirtualRouterName
);
name!(
    /// Several virtual routers that move together.
    GroupName
);
name!(
    /// Another node of the same virtual router, as in its `peers` map.
    PeerName
);
name!(
    /// A network interface, as the kernel calls it.
    InterfaceName
);
name!(
    /// Key of a tracked program in the `programs` map.
    ProgramName
);

/// An endpoint's identity over all pools, written `pool/endpoint` as in `haechi endpoint drain web/web-1`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EndpointId {
    /// The pool that holds it.
    pub pool: PoolName,
    /// Its name in that pool.
    pub endpoint: EndpointName,
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pool, self.endpoint)
    }
}
