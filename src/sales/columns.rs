//! A profile bound to a header: which cell is what. Columns are found by name, never by place or number of columns.

use unicode_normalization::UnicodeNormalization;

use super::cells;
use super::profile::{Condition, Packed, Profile};

/// A name of a column without what exports change about it: case, blanks, punctuation, forms of letters.
pub(super) fn plain_name(name: &str) -> String {
    name.nfkc()
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric() || *c == '#')
        .collect()
}

/// A header, ready to be asked for names.
#[derive(Debug, Clone)]
pub(super) struct Header {
    names: Vec<String>,
}

impl Header {
    pub(super) fn new<'a>(cells: impl Iterator<Item = &'a [u8]>) -> Self {
        let names = cells
            .map(|cell| plain_name(&String::from_utf8_lossy(cell)))
            .collect();
        Self { names }
    }

    /// The first column with this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let plain = plain_name(name);
        if plain.is_empty() {
            return None;
        }
        self.names.iter().position(|known| *known == plain)
    }

    /// The first of several names that is there.
    fn first(&self, names: &[String]) -> Option<usize> {
        names.iter().find_map(|name| self.find(name))
    }

    fn all(&self, names: &[String]) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        for idx in names.iter().filter_map(|name| self.find(name)) {
            if !found.contains(&idx) {
                found.push(idx);
            }
        }
        found
    }

    /// Whether it is the header of a profile.
    pub(super) fn is_of(&self, profile: &Profile) -> bool {
        let find = &profile.find;
        find.all.iter().all(|name| self.find(name).is_some())
            && find.any.iter().all(|names| self.first(names).is_some())
            && !find.none.iter().any(|name| self.find(name).is_some())
    }

    /// The names that a profile asks for and that are not there, and how many are.
    pub(super) fn lacks<'p>(&self, profile: &'p Profile) -> (Vec<&'p str>, usize) {
        let all = profile
            .find
            .all
            .iter()
            .map(|name| (name, self.find(name).is_some()));
        let any = profile
            .find
            .any
            .iter()
            .filter_map(|names| Some((names.first()?, self.first(names).is_some())));
        let (mut lacking, mut n_found) = (Vec::new(), 0);
        for (name, is_there) in all.chain(any) {
            if is_there {
                n_found += 1;
            } else {
                lacking.push(name.as_str());
            }
        }
        (lacking, n_found)
    }

    /// Whether a cell repeats the name of its own column, as headers do in files that were joined.
    pub(super) fn repeats(&self, idx: usize, cell: &[u8]) -> bool {
        let name = self.names.get(idx).filter(|name| !name.is_empty());
        name.is_some_and(|name| *name == plain_name(&String::from_utf8_lossy(cell)))
    }
}

/// Which cell a condition asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Column(usize),
    /// The SKU as it is understood.
    Sku,
    /// The order as it is understood.
    Order,
    /// The quantity as it is understood.
    Quantity,
}

/// A condition of a rule, bound.
#[derive(Debug, Clone)]
pub(super) struct BoundCondition {
    pub(super) asked: Asked,
    /// Its texts are in lower case.
    pub(super) holds: Condition,
    /// What is asked, if that is only whether anything is there.
    pub(super) only_filled: Option<bool>,
}

/// A rule, bound.
#[derive(Debug, Clone)]
pub(super) struct BoundRule {
    pub(super) reason: String,
    pub(super) count: bool,
    pub(super) when: Vec<BoundCondition>,
}

/// Which cell is what.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub(super) header: Header,
    pub(super) order: Vec<usize>,
    pub(super) key: Option<usize>,
    pub(super) line: Option<usize>,
    pub(super) sku: Option<usize>,
    pub(super) item: Option<usize>,
    pub(super) quantity: Option<usize>,
    pub(super) time: Option<usize>,
    pub(super) clock: Option<usize>,
    pub(super) zone: Option<usize>,
    pub(super) channel: Option<usize>,
    pub(super) price: Option<usize>,
    pub(super) parent: Option<usize>,
    /// One per name in the profile.
    pub(super) order_cells: Vec<Option<usize>>,
    pub(super) once: Vec<usize>,
    /// Columns of packed cells; empty where a row is an item.
    pub(super) packed: Vec<usize>,
    pub(super) rules: Vec<BoundRule>,
    /// Columns that rules ask for and that are not there.
    pub(super) missing: Vec<String>,
}

impl Columns {
    /// Binds a profile to its header; else what is missing, in words.
    pub(super) fn bind(
        profile: &Profile,
        header: Header,
        counted: &[String],
    ) -> Result<Self, String> {
        let names = &profile.columns;
        let packed = packed(profile, &header);
        let time = header.first(&names.time);
        let mut columns = Self {
            order: header.all(&names.order),
            key: header.first(&names.key),
            line: header.first(&names.line),
            sku: header.first(&names.sku),
            item: header.first(&names.item),
            quantity: header.first(&names.quantity),
            time,
            // A column called "time" may be the time itself.
            clock: header
                .first(&names.clock)
                .filter(|clock| Some(*clock) != time),
            zone: header.first(&names.zone),
            channel: header.first(&names.channel),
            price: header.first(&names.price),
            parent: header.first(&names.parent),
            order_cells: profile
                .layout
                .order_cells
                .iter()
                .map(|name| header.find(name))
                .collect(),
            once: header.all(&profile.layout.once),
            packed,
            rules: Vec::new(),
            missing: Vec::new(),
            header,
        };
        let mut lacking = Vec::new();
        if columns.packed.is_empty() {
            if columns.sku.is_none() {
                lacking.push(("SKU", &names.sku));
            }
            if columns.quantity.is_none() {
                lacking.push(("quantity", &names.quantity));
            }
        }
        if columns.time.is_none() && !profile.time.day_total {
            lacking.push(("time", &names.time));
        }
        if !lacking.is_empty() {
            let says: Vec<String> = lacking
                .iter()
                .map(|(what, names)| {
                    format!(
                        "no column of the {what} (such as {:?})",
                        names.first().map_or("", String::as_str)
                    )
                })
                .collect();
            return Err(says.join(" and "));
        }
        columns.bind_rules(profile, counted);
        Ok(columns)
    }

    fn bind_rules(&mut self, profile: &Profile, counted: &[String]) {
        for rule in &profile.rule {
            let mut when = Vec::new();
            let mut possible = true;
            let n_there = rule
                .when
                .iter()
                .filter(|condition| self.asked(profile, condition).is_some())
                .count();
            for condition in &rule.when {
                match self.asked(profile, condition) {
                    Some(asked) => when.push(BoundCondition::new(asked, condition)),
                    // A column that is not there is not filled; but that alone excludes no row.
                    None if condition.filled == Some(false) && n_there > 0 => {}
                    None => possible = false,
                }
            }
            if !possible {
                let missing = rule
                    .when
                    .iter()
                    .filter(|c| self.asked(profile, c).is_none());
                let missing: Vec<String> =
                    missing.filter_map(|c| c.column.first().cloned()).collect();
                for name in missing {
                    if !name.starts_with('@') && !self.missing.contains(&name) {
                        self.missing.push(name);
                    }
                }
                continue;
            }
            self.rules.push(BoundRule {
                reason: rule.reason.clone(),
                count: rule.count || counted.contains(&rule.reason),
                when,
            });
        }
    }

    fn asked(&self, profile: &Profile, condition: &Condition) -> Option<Asked> {
        condition
            .column
            .iter()
            .find_map(|name| match name.as_str() {
                "@sku" => Some(Asked::Sku),
                "@order" => Some(Asked::Order),
                "@quantity" => Some(Asked::Quantity),
                "@first" => Some(Asked::Column(0)),
                "@price" => self.price.map(Asked::Column),
                "@channel" => self.channel.map(Asked::Column),
                "@status" => self
                    .header
                    .first(&profile.columns.status)
                    .map(Asked::Column),
                name => self.header.find(name).map(Asked::Column),
            })
    }
}

fn packed(profile: &Profile, header: &Header) -> Vec<usize> {
    match profile.layout.packed {
        None => Vec::new(),
        Some(Packed::ProductDetails) => header.find("Product Details").into_iter().collect(),
        Some(Packed::LineItemCell) => header.first(&profile.columns.sku).into_iter().collect(),
        Some(Packed::LineItemColumns) => (1..)
            .map_while(|n| header.find(&format!("line_item_{n}")))
            .collect(),
    }
}

fn lowered(condition: &Condition) -> Condition {
    let lower = |texts: &[String]| texts.iter().map(|text| text.to_lowercase()).collect();
    Condition {
        is: lower(&condition.is),
        is_not: lower(&condition.is_not),
        begins: lower(&condition.begins),
        holds: lower(&condition.holds),
        ..condition.clone()
    }
}

impl BoundCondition {
    fn new(asked: Asked, condition: &Condition) -> Self {
        let holds = lowered(condition);
        let texts = [&holds.is, &holds.is_not, &holds.begins, &holds.holds];
        let more = texts.iter().any(|texts| !texts.is_empty())
            || holds.at_most.is_some()
            || holds.above.is_some();
        Self {
            asked,
            only_filled: holds.filled.filter(|_| !more),
            holds,
        }
    }

    /// Whether it holds of a cell.
    pub(super) fn of(&self, cell: &[u8]) -> bool {
        let asked = &self.holds;
        if let Some(filled) = self.only_filled
            && cell.first().is_some_and(u8::is_ascii_alphanumeric)
        {
            return filled;
        }
        let Ok(text) = std::str::from_utf8(cell) else {
            return false;
        };
        let text = cells::trimmed(text);
        if asked.filled.is_some_and(|filled| filled == text.is_empty()) {
            return false;
        }
        let words = !(asked.is.is_empty() && asked.begins.is_empty() && asked.holds.is_empty());
        if (words || !asked.is_not.is_empty()) && !self.words(text, words) {
            return false;
        }
        if asked.at_most.is_none() && asked.above.is_none() {
            return true;
        }
        amount(text).is_some_and(|amount| self.bounds(amount))
    }

    /// Whether a text is, begins with, or holds what is asked.
    fn words(&self, text: &str, needed: bool) -> bool {
        let asked = &self.holds;
        if asked.begins.is_empty() && asked.holds.is_empty() && text.is_ascii() {
            // Most cells are plain and are compared as they are.
            let same = |word: &String| word.eq_ignore_ascii_case(text);
            return (!needed || asked.is.iter().any(same)) && !asked.is_not.iter().any(same);
        }
        let lower = text.to_lowercase();
        let found = asked.is.contains(&lower)
            || asked
                .begins
                .iter()
                .any(|word| lower.starts_with(word.as_str()))
            || asked.holds.iter().any(|word| lower.contains(word.as_str()));
        (!needed || found) && !asked.is_not.contains(&lower)
    }

    /// Whether it holds of a number.
    pub(super) fn bounds(&self, amount: f64) -> bool {
        self.holds.at_most.is_none_or(|most| amount <= most)
            && self.holds.above.is_none_or(|above| amount > above)
    }
}

/// A number with whatever currency stands beside it. Only its sign and whether it is zero matter here.
fn amount(text: &str) -> Option<f64> {
    let digits: String = text
        .chars()
        .filter(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '-'))
        .collect();
    let decimal = match cells::vote(&digits) {
        cells::Vote::For(decimal) => Some(decimal),
        _ => Some(super::profile::Decimal::Point),
    };
    let milli = match cells::number(digits.as_bytes(), decimal) {
        Ok(milli) => milli,
        // Larger than any quantity, and a price all the same.
        Err(cells::NoQuantity::TooMany) => i64::MAX,
        Err(_) => return digits.parse().ok(),
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "compared with zero and small bounds"
    )]
    Some(milli as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Header {
        Header::new(text.split(',').map(str::as_bytes))
    }

    #[test]
    fn columns_are_found_however_they_are_spelled() {
        let header = header("\u{feff}Order ID, lineitem_SKU,\"Date/Time\",PO#,PO,Stückzahl");
        for (name, idx) in [
            ("order-id", Some(0)),
            ("Lineitem sku", Some(1)),
            ("date time", Some(2)),
            ("PO#", Some(3)),
            ("po", Some(4)),
            ("stückzahl", Some(5)),
            ("other", None),
            ("", None),
        ] {
            assert_eq!(header.find(name), idx, "{name}");
        }
    }

    #[test]
    fn a_condition_looks_at_a_cell_without_case() {
        let condition = |text: &str| {
            let holds: Condition = toml::from_str(&format!("column = [\"x\"]\n{text}")).unwrap();
            BoundCondition::new(Asked::Column(0), &holds)
        };
        for (text, cell, expected) in [
            ("is = [\"Voided\"]", " VOIDED ", true),
            ("is = [\"Voided\"]", "void", false),
            ("begins = [\"non-amazon\"]", "Non-Amazon US", true),
            ("holds = [\"bogus\"]", "(Bogus Gateway)", true),
            ("filled = true", "x", true),
            ("filled = true", " \u{a0}", false),
            ("filled = false", "", true),
            ("filled = true\nis_not = [\"order\"]", "Order", false),
            ("filled = true\nis_not = [\"order\"]", "Refund", true),
            ("at_most = 0.0", "0.00", true),
            ("at_most = 0.0", "$0.00", true),
            ("at_most = 0.0", "-12,50 €", true),
            ("at_most = 0.0", "12.50", false),
            ("at_most = 0.0", "9,999,999,999.00", false),
            ("at_most = 0.0", "", false),
            ("above = 0.0", "1", true),
            ("above = 0.0", "0", false),
        ] {
            assert_eq!(
                condition(text).of(cell.as_bytes()),
                expected,
                "{text}: {cell}"
            );
        }
    }
}
