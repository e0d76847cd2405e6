//! What the store knows of a SKU, and what to say where it knows nothing.

use super::seller::Seller;
use crate::domain::ids::Sku;
use crate::exit::Failure;

/// Refuses a SKU that is not in the store, naming those that differ in case or blanks, or by few letters.
pub(super) async fn expect_known(seller: &Seller, sku: &Sku) -> Result<(), Failure> {
    let known = seller.ledger.read(|tables| tables.skus()).await?;
    if known.contains(sku) {
        return Ok(());
    }
    let hint = match nearest(sku, known.iter()) {
        Some(near) => format!("did you mean {:?}?", near.as_str()),
        None => "`onhand stock show` lists those that are known".to_owned(),
    };
    Err(Failure::call(format!(
        "no SKU is called {:?}; hint: {hint}",
        sku.as_str()
    )))
}

fn nearest<'k>(sku: &Sku, known: impl Iterator<Item = &'k Sku>) -> Option<&'k Sku> {
    let wanted = sku.as_str().trim().to_lowercase();
    let most = wanted.chars().count() / 3;
    known
        .map(|known| {
            let text = known.as_str().trim().to_lowercase();
            (strsim::damerau_levenshtein(&wanted, &text), known)
        })
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, known)| known)
}

/// Refuses to count a bundle: it has no stock of its own.
pub(super) async fn refuse_bundle(seller: &Seller, sku: &Sku) -> Result<(), Failure> {
    let recipes = seller.ledger.read(|tables| tables.recipes()).await?;
    if recipes.contains_key(sku) {
        return Err(Failure::call(format!("count {sku}: {BUNDLE}")));
    }
    Ok(())
}

/// Why a bundle cannot be counted.
pub(super) const BUNDLE: &str =
    "it is a bundle and has no stock of its own; hint: count its components";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_sku_is_suggested() {
        let known = ["MUG-1", "MUG-2", "LAMP"].map(|text| Sku::new(text).unwrap());
        let found = |text| nearest(&Sku::new(text).unwrap(), known.iter()).map(Sku::as_str);
        assert_eq!(found("mug-1"), Some("MUG-1"));
        assert_eq!(found(" LAMP "), Some("LAMP"));
        assert_eq!(found("LAPM"), Some("LAMP"));
        assert_eq!(found("CHAIR"), None);
    }
}
