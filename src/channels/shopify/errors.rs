//! What `inventorySetQuantities` did not like, sorted by what has to follow.
//!
//! Source: `InventorySetQuantitiesUserErrorCode` of the introspection 2026-04 to 2026-10. `ITEM_NOT_STOCKED_AT_LOCATION`
//! is gone in 2026-10; `COMPARE_QUANTITY_STALE` is what the same thing was called before.

use std::collections::BTreeMap;

use super::graphql::UserError;

/// What is wrong with the whole call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// A call with this key is still running.
    Busy,
    /// A call with this key failed before: read, then send with a new key.
    KeyFailed,
    /// Another call had this key: a mistake of ours.
    KeyReused,
    /// It will be refused every time.
    Refused(String),
}

/// What is wrong with one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// It does not show the value that it was compared with.
    Stale,
    /// The item was never at that location.
    NotStocked,
    /// Not possible for this item.
    Refused(String),
}

/// The errors of one answer. Nothing in both: it does not say which entry is meant.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sorted {
    /// Concerns all entries.
    pub(super) call: Option<Call>,
    /// By place in the call.
    pub(super) entries: BTreeMap<usize, Entry>,
}

/// Sorts the errors of a call of so many entries.
pub(super) fn sort(errors: &[UserError], entries: usize) -> Sorted {
    let mut sorted = Sorted::default();
    for error in errors {
        let code = error.code.as_deref().unwrap_or_default();
        let refused = || {
            let words: String = error.message.chars().take(300).collect();
            if code.is_empty() {
                words
            } else {
                format!("{words} ({code})")
            }
        };
        let call = match code {
            "IDEMPOTENCY_CONCURRENT_REQUEST" => Some(Call::Busy),
            "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED" => Some(Call::KeyFailed),
            "IDEMPOTENCY_KEY_PARAMETER_MISMATCH" => Some(Call::KeyReused),
            "INVALID_NAME" | "INVALID_REASON" | "INVALID_REFERENCE_DOCUMENT" => {
                Some(Call::Refused(refused()))
            }
            _ => None,
        };
        if call.is_some() {
            sorted.call = sorted.call.or(call);
            continue;
        }
        let place = match place(error) {
            Some(place) if place < entries => place,
            _ if entries == 1 => 0,
            _ => continue,
        };
        let entry = match code {
            "CHANGE_FROM_QUANTITY_STALE" | "COMPARE_QUANTITY_STALE" => Entry::Stale,
            "ITEM_NOT_STOCKED_AT_LOCATION" => Entry::NotStocked,
            _ => Entry::Refused(refused()),
        };
        sorted.entries.entry(place).or_insert(entry);
    }
    sorted
}

/// The number in `["input", "quantities", "0", "inventoryItemId"]`; it is a text there.
fn place(error: &UserError) -> Option<usize> {
    let field = error.field.as_ref()?;
    let after = field.iter().position(|part| part == "quantities")? + 1;
    field.get(after)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, place: Option<&str>) -> UserError {
        UserError {
            code: Some(code.to_owned()),
            field: place.map(|place| {
                ["input", "quantities", place, "inventoryItemId"]
                    .map(str::to_owned)
                    .to_vec()
            }),
            message: "words".to_owned(),
        }
    }

    #[track_caller]
    fn check(code: &str, place: Option<&str>, entries: usize, expected: Sorted) {
        assert_eq!(sort(&[error(code, place)], entries), expected, "{code}");
    }

    #[test]
    fn every_code_has_its_consequence() {
        let call = |call| Sorted {
            call: Some(call),
            entries: BTreeMap::new(),
        };
        let entry = |place, entry| Sorted {
            call: None,
            entries: BTreeMap::from([(place, entry)]),
        };
        let refused = |code: &str| Entry::Refused(format!("words ({code})"));
        check("IDEMPOTENCY_CONCURRENT_REQUEST", None, 2, call(Call::Busy));
        check(
            "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED",
            None,
            2,
            call(Call::KeyFailed),
        );
        check(
            "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
            None,
            2,
            call(Call::KeyReused),
        );
        for code in [
            "INVALID_NAME",
            "INVALID_REASON",
            "INVALID_REFERENCE_DOCUMENT",
        ] {
            check(
                code,
                None,
                2,
                call(Call::Refused(format!("words ({code})"))),
            );
        }
        for code in ["CHANGE_FROM_QUANTITY_STALE", "COMPARE_QUANTITY_STALE"] {
            check(code, Some("1"), 2, entry(1, Entry::Stale));
        }
        check(
            "ITEM_NOT_STOCKED_AT_LOCATION",
            Some("0"),
            2,
            entry(0, Entry::NotStocked),
        );
        for code in [
            "INVALID_INVENTORY_ITEM",
            "INVALID_LOCATION",
            "INVALID_QUANTITY_NEGATIVE",
            "INVALID_QUANTITY_TOO_HIGH",
            "INVALID_QUANTITY_TOO_LOW",
            "NON_MUTABLE_INVENTORY_ITEM",
            "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
            "SOMETHING_NEW",
        ] {
            check(code, Some("1"), 2, entry(1, refused(code)));
        }
        // Of one entry it can only mean that one; of several it must be found.
        check(
            "CHANGE_FROM_QUANTITY_STALE",
            None,
            1,
            entry(0, Entry::Stale),
        );
        check("CHANGE_FROM_QUANTITY_STALE", None, 2, Sorted::default());
        check(
            "CHANGE_FROM_QUANTITY_STALE",
            Some("7"),
            2,
            Sorted::default(),
        );
    }
}
