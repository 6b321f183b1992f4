//! Decides which node holds a virtual router's addresses (RFC 9568).

pub mod packet;
