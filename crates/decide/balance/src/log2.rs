//! Logarithm and power of two in fixed point.
//!
//! Weighted rendezvous needs a logarithm on which all nodes agree to the last bit. Floating point does not
//! promise that: `ln` differs between C libraries. Integers do, and cost less.

/// 1.0 in the fixed point of this file: 32 fractional bits.
pub(crate) const ONE: u64 = 1 << 32;

/// Entries per octave. Interpolated linearly between them, −log₂(1 − ε) is off by at most 0.3 % of itself, even
/// as ε goes to 0, since 1.0 is an entry; shares by weight are off by no more.
const STEPS: usize = 256;

/// log₂(1 + i / STEPS).
static LOG: [u64; STEPS + 1] = logs();

/// −log₂ of (`point` + ½) / 2³² counted from above: 0 gives almost 0, `u32::MAX` gives 33.
///
/// With a uniform point this is an exponentially distributed value, in rising order of the point.
pub(crate) fn exponential(point: u32) -> u64 {
    // 1 − (point + ½) / 2³², times 2³³: odd, so never 0.
    let chance = (u64::from(!point) << 1) | 1;
    let whole = chance.ilog2();
    let fraction = (chance << (63 - whole)) & (u64::MAX >> 1);
    let step = (fraction >> 55) as usize;
    let rest = (fraction >> 23) & (ONE - 1);
    let log = LOG[step] + (((LOG[step + 1] - LOG[step]) * rest) >> 32);
    33 * ONE - (u64::from(whole) * ONE + log)
}

/// The classic: square, and read one bit off the exponent.
const fn logs() -> [u64; STEPS + 1] {
    let mut logs = [ONE; STEPS + 1];
    let mut step = 0;
    while step < STEPS {
        let mut value = ((STEPS + step) as u128) << (62 - STEPS.ilog2());
        let mut bits = 0;
        let mut bit = 0;
        while bit < 32 {
            value = (value * value) >> 62;
            bits <<= 1;
            if value >> 63 == 1 {
                bits |= 1;
                value >>= 1;
            }
            bit += 1;
        }
        logs[step] = bits;
        step += 1;
    }
    logs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_floating_point() {
        for point in (0..=u32::MAX).step_by(65_537).chain([0, 1, 2, 1000, u32::MAX - 1, u32::MAX]) {
            let epsilon = (f64::from(point) + 0.5) / 2_f64.powi(32);
            let exact = -(-epsilon).ln_1p() / std::f64::consts::LN_2;
            let found = exponential(point) as f64 / ONE as f64;
            let unit = 2.0 / ONE as f64;
            assert!((found - exact).abs() <= exact * 0.003 + unit, "{point}: {found} for {exact}");
        }
    }

    #[test]
    fn never_falls() {
        let mut last = 0;
        for point in (0..=u32::MAX).step_by(40_503) {
            let now = exponential(point);
            assert!(now >= last, "{point}");
            last = now;
        }
    }

    #[test]
    fn these_bits_for_ever() {
        // Other bits would move clients between endpoints on an upgrade.
        let found = [0, 1 << 20, 1 << 31, u32::MAX].map(exponential);
        assert_eq!(found, [1, 1_514_256, 4_294_967_298, 141_733_920_768]);
    }
}
