//! Why a datagram got to nobody.

/// Why a datagram went no further.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Dropped {
    /// As many flows as there may be, and none of them that could give way.
    FlowsFull,
    /// No endpoint can serve.
    NoEndpoint,
    /// Every endpoint is at its connection limit.
    EndpointFull,
    /// Out of descriptors or ports.
    Exhausted,
    /// No way to the endpoint, or nobody listens there.
    EndpointUnreachable,
    /// No way back to the client.
    ClientUnreachable,
    /// The kernel's buffer was full.
    BufferFull,
    /// Larger than the way allows.
    TooLarge,
    /// Broadcast, multicast, from port 0, or from the listener's own address.
    NotUnicast,
}

impl Dropped {
    /// All of them, for tables and metrics.
    pub const ALL: &'static [Self] = &[
        Self::FlowsFull,
        Self::NoEndpoint,
        Self::EndpointFull,
        Self::Exhausted,
        Self::EndpointUnreachable,
        Self::ClientUnreachable,
        Self::BufferFull,
        Self::TooLarge,
        Self::NotUnicast,
    ];

    /// Short stable name for metrics and status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FlowsFull => "flowsFull",
            Self::NoEndpoint => "noEndpoint",
            Self::EndpointFull => "endpointFull",
            Self::Exhausted => "exhausted",
            Self::EndpointUnreachable => "endpointUnreachable",
            Self::ClientUnreachable => "clientUnreachable",
            Self::BufferFull => "bufferFull",
            Self::TooLarge => "tooLarge",
            Self::NotUnicast => "notUnicast",
        }
    }
}
