//! `Accept-Encoding` (RFC 9110 §12.5.3).

use haechi_model::Coding;

/// Weights in thousandths; none for what was not named.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Accepted {
    named: [Option<u16>; Coding::ALL.len()],
    identity: Option<u16>,
    rest: Option<u16>,
}

impl Accepted {
    /// One line of it. What can't be read says nothing: guesses would code for those who can't decode.
    pub(crate) fn take(&mut self, value: &[u8]) {
        for element in value.split(|byte| *byte == b',') {
            let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let weight = match (parts.next(), parts.next()) {
                (None, _) => Some(1000),
                (Some(parameter), None) => weight(parameter),
                (Some(_), Some(_)) => None,
            };
            let (Some(weight), Some(slot)) = (weight, self.slot(name)) else { continue };
            // Who names one twice means the less by it.
            *slot = Some(slot.map_or(weight, |before| before.min(weight)));
        }
    }

    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<u16>> {
        match name {
            b"*" => Some(&mut self.rest),
            _ if name.eq_ignore_ascii_case(b"identity") => Some(&mut self.identity),
            // The same by an older name (§8.4.1.3).
            _ if name.eq_ignore_ascii_case(b"x-gzip") => self.named.get_mut(Coding::Gzip as usize),
            _ => {
                let known = |coding: &Coding| name.eq_ignore_ascii_case(coding.name().as_bytes());
                Coding::ALL.iter().position(known).and_then(|at| self.named.get_mut(at))
            }
        }
    }

    /// What is liked best of `offered`, the first of those that are liked alike; none if what is not coded is liked
    /// better.
    pub(crate) fn best(&self, offered: &[Coding]) -> Option<Coding> {
        let weight = |coding: Coding| self.named.get(coding as usize).copied().flatten().or(self.rest);
        let mut best = None;
        let mut most = 0;
        for &coding in offered {
            if let Some(weight) = weight(coding).filter(|weight| *weight > most) {
                (best, most) = (Some(coding), weight);
            }
        }
        best.filter(|_| self.identity.or(self.rest).is_none_or(|identity| identity <= most))
    }

    /// Whether what is not coded is refused.
    pub(crate) fn insists(&self) -> bool {
        self.identity.or(self.rest) == Some(0)
    }
}

/// `q=0.8` as 800 (§12.4.2).
fn weight(parameter: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', whole, rest @ ..] = parameter else { return None };
    let digits = match rest {
        [] => rest,
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let tail =
        |at: usize| digits.get(at).map_or(Some(0), |digit| digit.is_ascii_digit().then(|| digit - b'0'));
    let tail = u16::from(tail(0)?) * 100 + u16::from(tail(1)?) * 10 + u16::from(tail(2)?);
    match whole {
        b'0' => Some(tail),
        b'1' if tail == 0 => Some(1000),
        _ => None,
    }
}
