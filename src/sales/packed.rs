//! Cells that hold several items of an order: the quirks that no profile can say.

use std::borrow::Cow;

use super::profile::Packed;

/// One item of a packed cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Item<'a> {
    /// The SKU.
    pub(super) sku: Cow<'a, str>,
    /// Units.
    pub(super) quantity: Cow<'a, str>,
}

/// The items of a cell, in order; none if it holds none.
pub(super) fn items(cell: &str, packed: Packed) -> Vec<Item<'_>> {
    let cell = cell.trim();
    match packed {
        Packed::ProductDetails => product_details(cell),
        Packed::LineItemColumns => fields(cell).into_iter().collect(),
        Packed::LineItemCell if cell.starts_with(['[', '{']) => json(cell),
        Packed::LineItemCell => line_items(cell),
    }
}

/// `Product ID: 86, Product Qty: 2, Product SKU: X, Product Name: …|Product ID: …`. Names hold commas, colons and bars, so it
/// is cut only before a key that begins with `Product`.
fn product_details(cell: &str) -> Vec<Item<'_>> {
    let mut found = Vec::new();
    let mut begins: Vec<usize> = vec![0];
    begins.extend(cell.match_indices("|Product ID:").map(|(at, _)| at + 1));
    for (idx, &begin) in begins.iter().enumerate() {
        let end = begins.get(idx + 1).map_or(cell.len(), |next| next - 1);
        let text = cell.get(begin..end).unwrap_or_default();
        if let (Some(quantity), Some(sku)) =
            (detail(text, "Product Qty"), detail(text, "Product SKU"))
        {
            found.push(Item {
                sku: sku.into(),
                quantity: quantity.into(),
            });
        }
    }
    found
}

fn detail<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mark = format!("{key}: ");
    let at = if text.starts_with(&mark) {
        mark.len()
    } else {
        let within = format!(", {mark}");
        text.find(&within)? + within.len()
    };
    let rest = text.get(at..)?;
    let end = rest
        .match_indices(", Product ")
        .find(|(at, _)| {
            let key = rest
                .get(at + 2..)
                .and_then(|rest| rest.split_once(':'))
                .map_or("", |(key, _)| key);
            key.len() <= 40 && key.chars().all(|c| c.is_alphanumeric() || c == ' ')
        })
        .map_or(rest.len(), |(at, _)| at);
    rest.get(..end).map(str::trim)
}

/// `id:1|name:…|sku:X|quantity:1;id:2|…`. Names hold semicolons, so an item ends only where another key follows.
fn line_items(cell: &str) -> Vec<Item<'_>> {
    let mut begins: Vec<usize> = vec![0];
    for (at, _) in cell.match_indices(';') {
        let rest = cell.get(at + 1..).unwrap_or_default().trim_start();
        let key = rest.split([':', '|', ';']).next().unwrap_or_default();
        if matches!(key, "id" | "name" | "product_id" | "sku" | "line_id") && rest.contains('|') {
            begins.push(at + 1);
        }
    }
    let part = |(idx, &begin): (usize, &usize)| {
        let end = begins.get(idx + 1).map_or(cell.len(), |next| next - 1);
        fields(cell.get(begin..end).unwrap_or_default())
    };
    begins.iter().enumerate().filter_map(part).collect()
}

/// `name:…|product_id:…|sku:X|quantity:2|total:…`: cut at bars, then at the first colon of each.
fn fields(text: &str) -> Option<Item<'_>> {
    let (mut sku, mut quantity) = (None, None);
    for field in text.split('|') {
        let Some((key, value)) = field.split_once(':') else {
            continue;
        };
        match key.trim().to_ascii_lowercase().as_str() {
            "sku" => sku = Some(value),
            "quantity" | "qty" => quantity = Some(value),
            _ => {}
        }
    }
    if sku.is_none() && quantity.is_none() {
        return None;
    }
    Some(Item {
        sku: sku.unwrap_or_default().into(),
        quantity: quantity.unwrap_or_default().into(),
    })
}

fn json(cell: &str) -> Vec<Item<'_>> {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(cell) else {
        return Vec::new();
    };
    let one = [value];
    let items = match &one {
        [serde_json::Value::Array(items)] => items.as_slice(),
        one => one.as_slice(),
    };
    let text = |value: Option<&serde_json::Value>| match value {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    items
        .iter()
        .filter(|item| item.is_object())
        .map(|item| Item {
            sku: text(item.get("sku")).into(),
            quantity: text(item.get("quantity").or_else(|| item.get("qty"))).into(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(packed: Packed, cell: &str, expected: &[(&str, &str)]) {
        let found = items(cell, packed);
        let found: Vec<_> = found
            .iter()
            .map(|item| (&*item.sku, &*item.quantity))
            .collect();
        assert_eq!(found, expected, "{cell}");
    }

    #[test]
    fn items_come_out_of_packed_cells() {
        check(
            Packed::ProductDetails,
            "Product ID: 80, Product Qty: 2, Product SKU: M|1, Product Name: Red mug, 11 oz, Product: the best|x, \
             Product Weight: 0.07|Product ID: 81, Product Qty: 1, Product SKU: 00123, Product Name: Coaster",
            &[("M|1", "2"), ("00123", "1")],
        );
        check(Packed::ProductDetails, "", &[]);
        check(
            Packed::LineItemColumns,
            "name:Coaster: oak|sku:00123|quantity:1",
            &[("00123", "1")],
        );
        check(Packed::LineItemColumns, "name:x", &[]);
        check(
            Packed::LineItemCell,
            "id:1|name:a; b|sku:A|quantity:1;id:2|name:c|sku:B:2|quantity:3",
            &[("A", "1"), ("B:2", "3")],
        );
        check(
            Packed::LineItemCell,
            "[{\"sku\":\"00123\",\"quantity\":2},{\"sku\":null,\"quantity\":\"1\"}]",
            &[("00123", "2"), ("", "1")],
        );
        check(Packed::LineItemCell, "[{\"sku\"", &[]);
    }
}
