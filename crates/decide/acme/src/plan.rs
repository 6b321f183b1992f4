//! What to do next for one name.

use crate::history::{History, spread};

/// A certificate that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// First second that it is valid.
    pub not_before: i64,
    /// Last second that it is valid.
    pub not_after: i64,
    /// Whether it is of the issuer that is configured now.
    pub of_issuer: bool,
    /// When the issuer wants it renewed: from, to (RFC 9773).
    pub suggested: Option<(i64, i64)>,
}

/// Whether issuers that ask for the name come to this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// As far as is known.
    Here,
    /// They come to the node that holds the virtual addresses.
    Elsewhere,
}

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Order now.
    Order(Why),
    /// Look again at this second, or when something has changed.
    Wait(i64, Wait),
}

/// Why something is ordered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Why {
    /// There is none.
    Missing,
    /// It is another issuer's.
    OtherIssuer,
    /// A third of its life is left.
    Due,
    /// The issuer wants it renewed.
    Suggested,
}

/// Why nothing is ordered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Wait {
    /// It is good for longer.
    Good,
    /// The last order failed.
    Failed,
    /// Issuers would ask another node.
    Elsewhere,
}

/// A node that waits for its addresses looks again so soon, in seconds: nobody tells it.
const LOOK: i64 = 1;

/// What to do at `now`. `seed` is the name's and the node's: it spreads what would come at once.
pub fn next(held: Option<&Held>, history: &History, place: Place, seed: u64, now: i64) -> Next {
    let why = match held {
        None => Why::Missing,
        Some(held) if !held.of_issuer => Why::OtherIssuer,
        Some(held) => {
            let (at, why) = renew_at(held, seed);
            if now < at {
                return Next::Wait(at, Wait::Good);
            }
            why
        }
    };
    if place == Place::Elsewhere {
        return Next::Wait(now.saturating_add(LOOK), Wait::Elsewhere);
    }
    let again = history.again_at(seed, now);
    if now < again { Next::Wait(again, Wait::Failed) } else { Next::Order(why) }
}

/// When it is to be renewed: at two thirds of its life, or up to a twenty-fourth of it earlier; or within what the issuer
/// suggests, but not so late that nothing could go wrong.
pub fn renew_at(held: &Held, seed: u64) -> (i64, Why) {
    let life = held.not_after.saturating_sub(held.not_before).max(0);
    if let Some((from, to)) = held.suggested.filter(|(from, to)| from <= to) {
        let suggested = from.saturating_add(spread(to.saturating_sub(from), seed));
        // A tenth is left for failures.
        return (suggested.min(held.not_after.saturating_sub(life / 10)), Why::Suggested);
    }
    let due = held.not_before.saturating_add(life / 3 * 2 + life % 3 * 2 / 3);
    (due.saturating_sub(spread(life / 24, seed)), Why::Due)
}
