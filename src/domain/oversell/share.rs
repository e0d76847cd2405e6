//! How much of the overselling ends when so many SKUs, the worst first, are kept right in real time.

/// One SKU's overselling, in any measure that adds up over SKUs (its blind pairs, or units per month).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gain {
    /// As it is now.
    pub now: f64,
    /// If it were in real time.
    pub real_time: f64,
}

/// With this SKU and all before it in real time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Its place in what was asked.
    pub sku_idx: usize,
    /// Share of all SKUs that are in real time, in percent.
    pub skus_pct: f64,
    /// Share of all overselling that ends, in percent; 0 if nothing is oversold now.
    pub prevented_pct: f64,
}

/// The curve, one step per SKU, the SKU that gains most first; equal ones in the order given.
pub fn real_time_curve(gains: &[Gain]) -> Vec<Step> {
    let prevented = |gain: &Gain| (gain.now - gain.real_time).max(0.0);
    let all: f64 = gains.iter().map(|gain| gain.now).sum();
    let mut best: Vec<(usize, f64)> = gains.iter().map(prevented).enumerate().collect();
    best.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let share = |part: f64, of: f64| if of > 0.0 { 100.0 * part / of } else { 0.0 };
    let mut sum = 0.0;
    (1..)
        .zip(best)
        .map(|(n_skus, (sku_idx, prevented))| {
            sum += prevented;
            Step {
                sku_idx,
                skus_pct: share(super::whole(n_skus), super::whole(gains.len())),
                prevented_pct: share(sum, all),
            }
        })
        .collect()
}

/// The fewest SKUs that reach this share of what is prevented, in percent; none if all of them do not.
pub fn skus_for(curve: &[Step], prevented_pct: f64) -> Option<usize> {
    let n_before = curve.partition_point(|step| step.prevented_pct < prevented_pct);
    (n_before < curve.len()).then_some(n_before.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_come_first_and_shares_add_up() {
        let gain = |now, real_time| Gain { now, real_time };
        let curve = real_time_curve(&[
            gain(1.0, 0.0),
            gain(8.0, 1.0),
            gain(0.0, 0.0),
            gain(1.0, 0.0),
        ]);
        let told: Vec<_> = curve
            .iter()
            .map(|step| (step.sku_idx, step.skus_pct, step.prevented_pct))
            .collect();
        let expected = [
            (1, 25.0, 70.0),
            (0, 50.0, 80.0),
            (3, 75.0, 90.0),
            (2, 100.0, 90.0),
        ];
        assert_eq!(told, expected);
        assert_eq!(skus_for(&curve, 80.0), Some(2));
        assert_eq!(skus_for(&curve, 91.0), None);
        assert_eq!(skus_for(&real_time_curve(&[]), 1.0), None);
        let none = real_time_curve(&[gain(0.0, 0.0)]);
        assert_eq!(none.first().map(|step| step.prevented_pct), Some(0.0));
    }
}
