//! Classes by share of what is sold: another thing than velocity tiers, and named apart from them (rule R89).
#![expect(clippy::float_arithmetic, reason = "shares of a sum")]

use serde::{Deserialize, Serialize};

/// Up to this share of the sum, largest first, is class A.
const FIRST_SHARE: f64 = 0.80;
/// And up to this one class B.
const SECOND_SHARE: f64 = 0.95;

/// A class by cumulative share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// The first 80 %.
    A,
    /// The next 15 %.
    B,
    /// The last 5 %.
    C,
}

/// The class of each value, in the order given. The running total in falling order decides; what crosses a line belongs to
/// the higher class; of equal values the name that sorts first comes first, so that runs can be repeated.
pub fn classes(values: &[(&str, f64)]) -> Vec<Class> {
    let total: f64 = values.iter().map(|(_, value)| value).sum();
    let mut order: Vec<usize> = (0..values.len()).collect();
    let at = |idx: usize| values.get(idx).copied().unwrap_or(("", 0.0));
    order.sort_by(|&a, &b| {
        let ((name_a, value_a), (name_b, value_b)) = (at(a), at(b));
        value_b.total_cmp(&value_a).then_with(|| name_a.cmp(name_b))
    });
    let mut found = vec![Class::C; values.len()];
    let mut before = 0.0;
    for idx in order {
        let class = if before < FIRST_SHARE * total {
            Class::A
        } else if before < SECOND_SHARE * total {
            Class::B
        } else {
            Class::C
        };
        if let Some(slot) = found.get_mut(idx) {
            *slot = class;
        }
        before += at(idx).1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S21: the running total decides, not each one's own share.
    #[test]
    fn the_running_total_decides() {
        let values = [
            ("a", 100.0),
            ("b", 90.0),
            ("c", 80.0),
            ("d", 70.0),
            ("e", 60.0),
            ("f", 50.0),
            ("g", 40.0),
            ("h", 30.0),
            ("i", 20.0),
            ("j", 10.0),
        ];
        let found = format!("{:?}", classes(&values)).replace(['[', ']', ',', ' '], "");
        // 100 + 90 + 80 + 70 + 60 = 400 of 550; f crosses 440, and h crosses 522.5 only with i.
        assert_eq!(found, "AAAAAABBBC");
    }

    #[test]
    fn ties_go_by_name_and_nothing_is_everything() {
        let found = classes(&[("b", 40.0), ("a", 40.0), ("c", 20.0)]);
        assert_eq!(found, [Class::A, Class::A, Class::B]);
        assert_eq!(classes(&[("b", 5.0), ("a", 95.0)]), [Class::C, Class::A]);
        assert_eq!(classes(&[]), []);
        assert_eq!(classes(&[("a", 0.0)]), [Class::C]);
    }
}
