//! SETTINGS (RFC 9113 §6.5): what we say at the start, and what the peer's mean.

use crate::Limit;
use crate::frames::{self, flag, kind};
use crate::limits::Limits;
use crate::{Code, Config, Role, Why};

mod id {
    pub(super) const HEADER_TABLE_SIZE: u16 = 1;
    pub(super) const ENABLE_PUSH: u16 = 2;
    pub(super) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(super) const MAX_FRAME_SIZE: u16 = 5;
    pub(super) const MAX_HEADER_LIST_SIZE: u16 = 6;
    /// RFC 8441 §3.
    pub(super) const ENABLE_CONNECT_PROTOCOL: u16 = 8;
    /// RFC 9218 §2.1.
    pub(super) const NO_RFC7540_PRIORITIES: u16 = 9;
}

/// The window that each stream and the connection begin with (§6.9.2).
pub(crate) const DEFAULT_WINDOW: u32 = 65_535;

/// The largest window (§6.9.1).
pub(crate) const MOST_WINDOW: i64 = 0x7fff_ffff;

/// Streams that we open to a peer that has not spoken yet: the least that §6.5.2 recommends to allow.
const STREAMS_BEFORE: u32 = 100;

/// What the peer has said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) streams: u32,
    pub(crate) window: u32,
    pub(crate) frame: u32,
    pub(crate) extended_connect: bool,
    no_priorities: Option<bool>,
    pub(crate) spoken: bool,
}

impl Peer {
    pub(crate) const fn new() -> Self {
        Self {
            streams: STREAMS_BEFORE,
            window: DEFAULT_WINDOW,
            frame: frames::MOST_PAYLOAD,
            extended_connect: false,
            no_priorities: None,
            spoken: false,
        }
    }
}

/// What follows from a frame of settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Changes {
    /// Sizes of the table, the smallest and the last one.
    pub(crate) table: Option<(u32, u32)>,
    /// By how much each stream's window changes.
    pub(crate) window: i64,
}

impl Peer {
    /// Takes a frame's entries in their order; later ones win.
    pub(crate) fn read(&mut self, payload: &[u8], role: Role, limits: &Limits) -> Result<Changes, Why> {
        let (entries, _) = payload.as_chunks::<6>();
        if entries.len() > limits.settings_entries as usize {
            return Err(Why::limit(Limit::SettingsEntries));
        }
        let mut changes = Changes::default();
        let window = self.window;
        if !self.spoken {
            // Nothing said means no bound; ours is what ids allow.
            self.streams = u32::MAX;
        }
        self.spoken = true;
        for [i0, i1, v0, v1, v2, v3] in entries {
            self.entry(
                u16::from_be_bytes([*i0, *i1]),
                u32::from_be_bytes([*v0, *v1, *v2, *v3]),
                role,
                &mut changes,
            )?;
        }
        changes.window = i64::from(self.window) - i64::from(window);
        Ok(changes)
    }

    fn entry(&mut self, id: u16, value: u32, role: Role, changes: &mut Changes) -> Result<(), Why> {
        let flag = |rule| match value {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Why::protocol(rule)),
        };
        match id {
            id::HEADER_TABLE_SIZE => {
                let smallest = changes.table.map_or(value, |(smallest, _)| smallest.min(value));
                changes.table = Some((smallest, value));
            }
            id::ENABLE_PUSH if flag("ENABLE_PUSH is neither 0 nor 1")? && role == Role::Client => {
                return Err(Why::protocol("ENABLE_PUSH of a server"));
            }
            id::MAX_CONCURRENT_STREAMS => self.streams = value,
            id::INITIAL_WINDOW_SIZE if i64::from(value) > MOST_WINDOW => {
                return Err(Why::new(Code::FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE above 2^31-1"));
            }
            id::INITIAL_WINDOW_SIZE => self.window = value,
            id::MAX_FRAME_SIZE if !(frames::MOST_PAYLOAD..1 << 24).contains(&value) => {
                return Err(Why::protocol("MAX_FRAME_SIZE out of range"));
            }
            id::MAX_FRAME_SIZE => self.frame = value,
            id::ENABLE_CONNECT_PROTOCOL => {
                let on = flag("ENABLE_CONNECT_PROTOCOL is neither 0 nor 1")?;
                if self.extended_connect && !on {
                    return Err(Why::protocol("ENABLE_CONNECT_PROTOCOL taken back"));
                }
                self.extended_connect = on;
            }
            id::NO_RFC7540_PRIORITIES => {
                let on = flag("NO_RFC7540_PRIORITIES is neither 0 nor 1")?;
                if self.no_priorities.is_some_and(|before| before != on) {
                    return Err(Why::protocol("NO_RFC7540_PRIORITIES changed"));
                }
                self.no_priorities = Some(on);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Appends our settings, and the connection's window.
pub(crate) fn write(role: Role, config: &Config, out: &mut Vec<u8>) {
    let mut payload = [0u8; 36];
    let mut len = 0;
    let mut entry = |id: u16, value: u32| {
        let [i0, i1] = id.to_be_bytes();
        let [v0, v1, v2, v3] = value.to_be_bytes();
        payload[len..len + 6].copy_from_slice(&[i0, i1, v0, v1, v2, v3]);
        len += 6;
    };
    match role {
        Role::Server => {
            entry(id::MAX_CONCURRENT_STREAMS, config.limits.streams);
            // Priorities of RFC 7540 are not used here; clients that hear so do not send any.
            entry(id::NO_RFC7540_PRIORITIES, 1);
            if config.extended_connect {
                entry(id::ENABLE_CONNECT_PROTOCOL, 1);
            }
        }
        Role::Client => entry(id::ENABLE_PUSH, 0),
    }
    if config.stream_window != DEFAULT_WINDOW {
        entry(id::INITIAL_WINDOW_SIZE, config.stream_window);
    }
    entry(id::MAX_HEADER_LIST_SIZE, config.limits.list);
    frames::write(kind::SETTINGS, 0, 0, &payload[..len], out);
    if config.connection_window > DEFAULT_WINDOW {
        frames::write_window(0, config.connection_window - DEFAULT_WINDOW, out);
    }
}

/// Appends the acknowledgement of the peer's.
pub(crate) fn write_ack(out: &mut Vec<u8>) {
    frames::write(kind::SETTINGS, flag::ACK, 0, &[], out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(role: Role, entries: &[(u16, u32)]) -> Result<(Peer, Changes), Code> {
        let mut peer = Peer::new();
        let payload: Vec<u8> = entries
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        let changes = peer.read(&payload, role, &Limits::default()).map_err(|why| why.code)?;
        Ok((peer, changes))
    }

    #[test]
    fn values_that_may_not_stand() {
        for (role, id, value, code) in [
            (Role::Server, 2, 2, Code::PROTOCOL_ERROR),
            (Role::Client, 2, 1, Code::PROTOCOL_ERROR),
            (Role::Server, 4, 1 << 31, Code::FLOW_CONTROL_ERROR),
            (Role::Server, 5, 16_383, Code::PROTOCOL_ERROR),
            (Role::Server, 5, 1 << 24, Code::PROTOCOL_ERROR),
            (Role::Server, 8, 2, Code::PROTOCOL_ERROR),
            (Role::Server, 9, 2, Code::PROTOCOL_ERROR),
        ] {
            assert_eq!(read(role, &[(id, value)]).unwrap_err(), code, "{id} = {value}");
        }
        assert_eq!(read(Role::Client, &[(8, 1), (8, 0)]).unwrap_err(), Code::PROTOCOL_ERROR);
        assert_eq!(read(Role::Client, &[(9, 1), (9, 0)]).unwrap_err(), Code::PROTOCOL_ERROR);
        assert_eq!(read(Role::Server, &[(7, 5); 33]).unwrap_err(), Code::ENHANCE_YOUR_CALM);
    }

    #[test]
    fn later_values_win_and_the_smallest_table_is_kept() {
        let (peer, changes) = read(
            Role::Client,
            &[(1, 100), (1, 4096), (3, 7), (4, 10), (4, 70_000), (5, 1 << 20), (6, 1), (8, 1), (0xfafa, 3)],
        )
        .unwrap();
        assert_eq!(changes, Changes { table: Some((100, 4096)), window: 70_000 - 65_535 });
        assert_eq!((peer.streams, peer.frame, peer.extended_connect), (7, 1 << 20, true));
        assert_eq!(read(Role::Client, &[]).unwrap().0.streams, u32::MAX);
    }
}
