//! What can happen to the node that has the address.

use std::fmt;
use std::time::Duration;

use super::pair::{Make, Setting};

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Blow {
    /// Everything on it is killed at once; it is started again after the move.
    Kill,
    /// The programs that were started are killed; what they started may still do its duty.
    KillPrograms,
    /// Its cable is pulled, and put back after the move.
    Unplug,
    /// Everything on it stands still for so many times the interval after which it counts as dead.
    Freeze(u8),
    /// It hears everything, and nobody hears it.
    Mute,
    /// Everybody hears it, and it hears nothing.
    Deafen,
    /// Both nodes go on, and don't hear each other.
    Part,
    /// Its proxy hangs, and what speaks for the address does not.
    Hang,
    /// It does not reach the endpoints; the other node does.
    CutOff,
    /// It is killed while the other node reloads its config again and again.
    Storm,
    /// Its cable is pulled and put back ten times.
    Flap,
    /// It is asked to end, with flows open.
    Stop,
    /// It is asked to let the other one be it, with flows open.
    HandOver,
    /// Its program is replaced by another process of the same, with flows open; the address stays.
    Upgrade,
}

impl Blow {
    pub(crate) const ALL: [Self; 16] = [
        Self::Kill,
        Self::KillPrograms,
        Self::Unplug,
        Self::Freeze(1),
        Self::Freeze(2),
        Self::Freeze(4),
        Self::Mute,
        Self::Deafen,
        Self::Part,
        Self::Hang,
        Self::CutOff,
        Self::Storm,
        Self::Flap,
        Self::Stop,
        Self::HandOver,
        Self::Upgrade,
    ];

    /// What is measured in one network of namespaces, one after the other. An upgrade is last: what runs then is no
    /// child of this process.
    pub(crate) const COURSES: [&[Self]; 3] = [
        &[Self::Kill, Self::KillPrograms, Self::Unplug, Self::Mute, Self::Part],
        &[
            Self::Freeze(1),
            Self::Freeze(2),
            Self::Freeze(4),
            Self::Storm,
            Self::Stop,
            Self::HandOver,
            Self::Upgrade,
        ],
        &[Self::Deafen, Self::Hang, Self::CutOff, Self::Flap],
    ];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Kill => "kill -9 of everything on the active node",
            Self::KillPrograms => "kill -9 of haechi, or of keepalived and HAProxy, but not of their helpers",
            Self::Unplug => "the active node's cable is pulled, later put back",
            Self::Freeze(1) => "the active node stands still (SIGSTOP) for the down interval, and goes on",
            Self::Freeze(2) => "the active node stands still for twice the down interval",
            Self::Freeze(_) => "the active node stands still for four times the down interval",
            Self::Mute => "nobody hears the active node, which hears everybody; later healed",
            Self::Deafen => "the active node hears nobody, and everybody hears it; later healed",
            Self::Part => "the nodes don't hear each other, but both are reached; later healed",
            Self::Hang => "the active node's proxy hangs, and its heartbeat lives",
            Self::CutOff => "only the active node does not reach the endpoints",
            Self::Storm => {
                "100 reloads of the other node in half a second, and kill -9 of the active in between"
            }
            Self::Flap => "the cable of the better node is pulled and put back ten times",
            Self::Stop => "clean stop of the active node (SIGTERM), with flows open",
            Self::HandOver => "hand-over (`haechi ha handover`), with flows open",
            Self::Upgrade => "upgrade of the active node (`haechi upgrade`), with flows open",
        }
    }

    /// How a row is asked for.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::KillPrograms => "kill-programs",
            Self::Unplug => "unplug",
            Self::Freeze(1) => "freeze-1",
            Self::Freeze(2) => "freeze-2",
            Self::Freeze(_) => "freeze-4",
            Self::Mute => "mute",
            Self::Deafen => "deafen",
            Self::Part => "part",
            Self::Hang => "hang",
            Self::CutOff => "cut-off",
            Self::Storm => "storm",
            Self::Flap => "flap",
            Self::Stop => "stop",
            Self::HandOver => "handover",
            Self::Upgrade => "upgrade",
        }
    }

    /// How nodes must be set up for it.
    pub(crate) const fn setting(self) -> Setting {
        match self {
            Self::Deafen | Self::Hang | Self::CutOff => Setting::Tracking,
            Self::Flap => Setting::Preempting,
            _ => Setting::Plain,
        }
    }

    /// Why it can't be dealt to a make at all.
    pub(crate) const fn why_not(self, make: Make) -> Option<&'static str> {
        match (self, make) {
            (Self::HandOver, Make::Keepalived(_)) => {
                Some("keepalived has no such verb: its clean stop is the row above")
            }
            (Self::Upgrade, Make::Keepalived(_)) => Some(
                "keepalived can't be replaced without its clean stop, which is a row above; HAProxy alone can",
            ),
            _ => None,
        }
    }

    /// Whether two nodes may answer for the address when it is over, until they hear each other.
    pub(crate) const fn makes_rivals(self) -> bool {
        matches!(self, Self::Freeze(_) | Self::Mute | Self::Part)
    }

    /// Whether it is planned: then nothing that is open may break.
    pub(crate) const fn is_planned(self) -> bool {
        matches!(self, Self::Stop | Self::HandOver | Self::Upgrade)
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl std::str::FromStr for Blow {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|blow| blow.word() == word);
        found.ok_or_else(|| format!("there are {}", Self::ALL.map(Self::word).join(", ")))
    }
}

/// How often each blow is dealt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) kills: u16,
    pub(crate) others: u16,
    /// For keepalived at one second, whose rounds take ten times as long, and for any keepalived after a partition,
    /// when clients may wait for most of a minute.
    pub(crate) slow: u16,
    pub(crate) flaps: u16,
    /// Ten flaps take so long.
    pub(crate) flap_span: Duration,
}

impl Times {
    pub(crate) fn of(self, blow: Blow, make: Make) -> u16 {
        let times = match blow {
            Blow::Kill => self.kills,
            Blow::Flap => self.flaps,
            _ => self.others,
        };
        let peer = matches!(make, Make::Keepalived(_));
        if make == Make::SLOW || (peer && blow == Blow::Part) { times.min(self.slow) } else { times }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_blow_is_part_of_one_course_and_has_a_word() {
        for blow in Blow::ALL {
            assert_eq!(Blow::COURSES.iter().filter(|course| course.contains(&blow)).count(), 1, "{blow}");
            assert_eq!(blow.word().parse(), Ok(blow));
        }
        assert!("hail".parse::<Blow>().is_err());
    }
}
