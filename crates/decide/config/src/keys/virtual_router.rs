//! Keys of `virtualRouters`. Where RFC 9568 or keepalived has a bound, it is that one.

use std::time::Duration;

use super::{ANY, DAY, NAME, SPAN};
use crate::shape::{Key, Kind, Shape, Text};

/// keepalived takes 1000 s for its own delays; an hour is longer than any boot, and shorter than a shift.
const DELAY: Kind = Kind::Duration(Duration::ZERO, Duration::from_secs(3600));
const DELAY_REASON: &str =
    "an hour: longer than any boot, shorter than a shift, so that whoever set it still knows why it waits";

const LOWER: Kind = Kind::Int(1, 254);
const LOWER_DOC: &str = "Lowers the priority by so much while it is bad, never below 1.";
const FAULT_DOC: &str = "Takes this node out while it is bad.";

/// One advertisement is one hundredth of a second, and 12 bits count them.
const INTERVAL: Kind = Kind::Duration(Duration::from_millis(10), Duration::from_millis(40_950));

pub(crate) static VIRTUAL_ROUTER: Shape = Shape::new(
    "a virtual router",
    &[
        Key::new(
            "id",
            Kind::Int(1, 255),
            "Its number on its network (VRID), the same on all its nodes. Required, but not with `spread`.",
        )
        .because("8 bits, and 0 is nobody's (RFC 9568 section 5.2.3)"),
        Key::new("interface", Kind::Text(Text::Interface), "Where its addresses live.").required(),
        Key::new(
            "addresses",
            Kind::Many(&Kind::Text(Text::VirtualAddress)),
            "What moves: 1 to 255, all IPv4 or all IPv6.",
        )
        .required(),
        Key::new(
            "priority",
            Kind::Int(1, 255),
            "The greatest living one becomes active; each node has another. 255 is for the node that owns the \
             addresses: it never waits. Required, but not with `spread`.",
        )
        .because("8 bits; 0 is how an active node says goodbye (RFC 9568 section 5.2.4)"),
        Key::new(
            "spread",
            Kind::Section(&SPREAD),
            "Makes a virtual router of each address, with another first node for each.",
        ),
        Key::new(
            "advertisementInterval",
            INTERVAL,
            "From one advertisement to the next, in whole hundredths of a second. A backup waits three of them.",
        )
        .default("100ms")
        .because("12 bits of hundredths of a second (RFC 9568 section 5.2.7)"),
        Key::new("preempt", Kind::Flag, "Whether a better node takes over from a living one.")
            .default("true"),
        Key::new("preemptDelay", DELAY, "How long a better node waits before it takes over from a living one.")
            .default("0s")
            .because(DELAY_REASON),
        Key::new(
            "startupDelay",
            DELAY,
            "No claim before this after the start: kernel, switch ports and probes settle first.",
        )
        .default("0s")
        .because(DELAY_REASON),
        Key::new(
            "transport",
            Kind::Word(&["vrrp", "udp"], &[]),
            "`vrrp`: IP protocol 112, which every VRRPv3 router understands. `udp`: the same with an HMAC, for \
             clouds that drop protocol 112 and for nodes without root.",
        )
        .default("vrrp"),
        Key::new(
            "peers",
            Kind::Named(&Kind::Text(Text::Peer)),
            "The other nodes, by their names. Advertisements go to them alone, and only they are heard; multicast if left out. \
             Required with `udp`, where each has a port. A keepalived there needs `unicast_ttl 255` over IPv6: its own 64 is \
             dropped (`hopLimit`).",
        ),
        Key::new(
            "source",
            Kind::Text(Text::Peer),
            "Where advertisements come from; the interface's first address if left out (IPv6: its link-local \
             one). Required with `udp`, with the port to listen on.",
        ),
        Key::new(
            "checksum",
            Kind::Word(&["auto", "pseudoHeader", "plain"], &[]),
            "What the checksum of an IPv4 advertisement covers: the pseudo-header too (RFC 5798, keepalived 2.2), or \
             the message only (RFC 9568). `auto` hears both and sends what it heard last (vrrp).",
        )
        .default("auto"),
        Key::new(
            "keys",
            ANY,
            "[File with the HMAC keys](#keys-file); a relative path starts at the config's folder (udp).",
        ),
        Key::new(
            "mover",
            Kind::Either(&[Kind::Word(&["netlink", "bind"], &[]), Kind::Section(&MOVER)]),
            "Who puts the addresses on this node: the kernel, or listeners that bind and unbind addresses which \
             are there already (no privilege needed), or a program.",
        )
        .default("netlink"),
        Key::new(
            "virtualMac",
            Kind::Flag,
            "Whether the addresses have the virtual router's MAC (RFC 9568 section 7.3) and not the interface's.",
        )
        .default("false"),
        Key::new(
            "announce",
            Kind::Section(&ANNOUNCE),
            "How neighbours are told where the addresses are: gratuitous ARP, or unsolicited neighbour \
             advertisements.",
        ),
        Key::new("track", Kind::Section(&TRACK), "What makes this node a worse one."),
        Key::new("group", NAME, "Virtual routers of one group move together."),
        Key::new("drain", SPAN, "After a move: how long the former active goes on serving its open flows.")
            .default("30s"),
    ],
);

pub(crate) static SPREAD: Shape = Shape::new(
    "a spread",
    &[
        Key::new(
            "nodes",
            Kind::List(&NAME),
            "Names of all nodes, this one included, the same list on each; at most 20.",
        )
        .required(),
        Key::new(
            "firstId",
            Kind::Int(1, 255),
            "Id of the first address's virtual router; the next one has the next.",
        )
        .required()
        .because("8 bits, and 0 is nobody's (RFC 9568 section 5.2.3)"),
    ],
);

pub(crate) static MOVER: Shape = Shape::new(
    "a mover",
    &[Key::new(
        "command",
        Kind::List(&ANY),
        "Program and arguments, without a shell: for clouds that move an address by an API.",
    )
    .required()],
);

pub(crate) static ANNOUNCE: Shape = Shape::new(
    "the announce section",
    &[
        Key::new("repeat", Kind::Int(1, 100), "How many at a takeover, and again as many after `again`.")
            .default("5")
            .because("twenty times keepalived's default: more is a flood, not an announcement"),
        Key::new(
            "interval",
            Kind::Duration(Duration::from_millis(1), Duration::from_secs(1)),
            "From one of them to the next.",
        )
        .default("100ms")
        .because("five of them a second apart are over before `again`"),
        Key::new(
            "again",
            Kind::Duration(Duration::ZERO, Duration::from_secs(3600)),
            "When they are repeated, for switch ports that dropped the first ones; 0s never.",
        )
        .default("5s")
        .because("a port that needs an hour to forward is down"),
        Key::new(
            "refresh",
            Kind::Duration(Duration::ZERO, DAY),
            "One more every so often while active; 0s never.",
        )
        .default("60s")
        .because("a day: longer than any switch remembers a MAC (300 s is usual)"),
    ],
);

pub(crate) static TRACK: Shape = Shape::new(
    "the track section",
    &[
        Key::new(
            "interfaces",
            Kind::Keyed(Text::Interface, &Kind::Section(&TRACK_INTERFACE)),
            "Links that must be up, by interface.",
        ),
        Key::new(
            "pools",
            Kind::Named(&Kind::Section(&TRACK_POOL)),
            "Pools that must have something to give, by name.",
        ),
        Key::new(
            "programs",
            Kind::Named(&Kind::Section(&TRACK_PROGRAM)),
            "Programs that must exit with 0, by name.",
        ),
        Key::new("proxy", Kind::Section(&TRACK_PROXY), "Whether this node's own proxy answers."),
        Key::new(
            "requests",
            Kind::Section(&TRACK_REQUESTS),
            "Whether real requests succeed, as far as this node is to blame.",
        ),
    ],
);

pub(crate) static TRACK_INTERFACE: Shape = Shape::new(
    "a tracked interface",
    &[Key::new("lower", LOWER, LOWER_DOC), Key::new("fault", Kind::Flag, FAULT_DOC)],
);

pub(crate) static TRACK_POOL: Shape = Shape::new(
    "a tracked pool",
    &[
        Key::new(
            "healthyShare",
            Kind::Percent,
            "Bad while less than this percentage of its endpoints can serve.",
        )
        .default("50"),
        Key::new("lower", LOWER, LOWER_DOC),
        Key::new("fault", Kind::Flag, FAULT_DOC),
    ],
);

pub(crate) static TRACK_PROGRAM: Shape = Shape::new(
    "a tracked program",
    &[
        Key::new("command", Kind::List(&ANY), "Program and arguments, without a shell; exit code 0 is good.").required(),
        Key::new("interval", Kind::Duration(Duration::from_millis(100), DAY), "From one start to the next.")
            .default("1s")
            .because("ten programs a second are what a check may cost"),
        Key::new(
            "timeout",
            Kind::Duration(Duration::from_millis(1), DAY),
            "How long it may run; then it is ended and counts as bad. The interval if left out, and at most that.",
        )
        .because("a program that sleeps for a millisecond has not begun"),
        Key::new("lower", LOWER, LOWER_DOC),
        Key::new("fault", Kind::Flag, FAULT_DOC),
    ],
);

pub(crate) static TRACK_PROXY: Shape = Shape::new(
    "the proxy section",
    &[
        Key::new("lower", LOWER, "Lowers the priority by so much while it does not answer, never below 1."),
        Key::new(
            "fault",
            Kind::Flag,
            "Takes this node out while it does not answer. `false` alone: it is not asked.",
        )
        .default("true"),
    ],
);

pub(crate) static TRACK_REQUESTS: Shape = Shape::new(
    "the requests section",
    &[
        Key::new(
            "window",
            Kind::Duration(Duration::from_secs(1), Duration::from_secs(3600)),
            "How far back is looked.",
        )
        .default("5s")
        .because("within a second a share of a few requests says nothing; an hour ago is not now"),
        Key::new("failedShare", Kind::Percent, "Bad while at least this percentage of them failed; from 1.")
            .default("50"),
        Key::new(
            "minimum",
            Kind::Int(1, u32::MAX as u64),
            "With fewer requests in the window nothing is said about them.",
        )
        .default("20"),
        Key::new("lower", LOWER, LOWER_DOC),
        Key::new("fault", Kind::Flag, FAULT_DOC),
    ],
);

/// The file that `keys` names. No part of the config, so that it can have other permissions.
pub(crate) static KEYS_FILE: Shape = Shape::new(
    "a keys file",
    &[
        Key::new("sign", Kind::Int(0, 255), "Id of the key that signs what this node sends.").required(),
        Key::new(
            "keys",
            Kind::Keyed(Text::KeyId, &Kind::Text(Text::Secret)),
            "All keys that are heard, by id.",
        )
        .required(),
    ],
);
