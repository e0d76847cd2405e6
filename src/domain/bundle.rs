//! Recipes: what one unit of a SKU is made of. A virtual bundle has no stock of its own; it needs its components.
//!
//! Recipes are flattened when they are read: the same component twice is summed, a need of 0 is left out, nested
//! bundles are opened, a cycle is refused (rule R27). What an order line needs is frozen when it is first booked, so a
//! later change of a recipe does not touch open orders (rule R29).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ids::Sku;

/// How deep bundles may nest; a deeper one is a mistake in the data.
pub const DEPTH_MAX: usize = 16;

/// So many units of a SKU for one unit of something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Need {
    /// Of which goods.
    pub sku: Sku,
    /// How many, 1 or more.
    pub units: u32,
}

/// Why recipes cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// A bundle contains itself.
    #[error("bundle {bundle} contains itself, by way of {through}")]
    Cycle {
        /// The bundle.
        bundle: Sku,
        /// The component that leads back to it.
        through: Sku,
    },
    /// Bundles in bundles in bundles.
    #[error("bundle {bundle} is nested deeper than {DEPTH_MAX}")]
    TooDeep {
        /// The outermost.
        bundle: Sku,
    },
    /// More units than can be counted.
    #[error("bundle {bundle} needs more units of {component} than can be counted")]
    TooMany {
        /// The bundle.
        bundle: Sku,
        /// The component.
        component: Sku,
    },
}

/// All recipes, by bundle: component and units as they were entered.
pub type Recipes = BTreeMap<Sku, Vec<Need>>;

/// What one unit of a SKU needs: itself if it has no recipe, else its components, flattened and in the order of SKUs.
///
/// # Errors
/// [`RecipeError`] for a cycle, too deep nesting or too many units.
pub fn needs(sku: &Sku, recipes: &Recipes) -> Result<Vec<Need>, RecipeError> {
    let mut sums = BTreeMap::new();
    let mut path = BTreeSet::new();
    open(sku, 1, recipes, &mut path, &mut sums, sku)?;
    Ok(sums
        .into_iter()
        .map(|(sku, units)| Need { sku, units })
        .collect())
}

fn open(
    sku: &Sku,
    units: u32,
    recipes: &Recipes,
    path: &mut BTreeSet<Sku>,
    sums: &mut BTreeMap<Sku, u32>,
    bundle: &Sku,
) -> Result<(), RecipeError> {
    let too_many = || RecipeError::TooMany {
        bundle: bundle.clone(),
        component: sku.clone(),
    };
    let Some(recipe) = recipes.get(sku) else {
        let sum = sums.entry(sku.clone()).or_default();
        *sum = sum.checked_add(units).ok_or_else(too_many)?;
        return Ok(());
    };
    if path.len() >= DEPTH_MAX {
        return Err(RecipeError::TooDeep {
            bundle: bundle.clone(),
        });
    }
    if !path.insert(sku.clone()) {
        return Err(RecipeError::Cycle {
            bundle: bundle.clone(),
            through: sku.clone(),
        });
    }
    for need in recipe.iter().filter(|need| need.units > 0) {
        let product = units.checked_mul(need.units).ok_or_else(too_many)?;
        open(&need.sku, product, recipes, path, sums, bundle)?;
    }
    path.remove(sku);
    Ok(())
}

/// Checks every recipe.
///
/// # Errors
/// The first [`RecipeError`], by bundle.
pub fn check(recipes: &Recipes) -> Result<(), RecipeError> {
    recipes
        .keys()
        .try_for_each(|bundle| needs(bundle, recipes).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku(text: &str) -> Sku {
        Sku::new(text).unwrap()
    }

    fn recipes(rows: &[(&str, &str, u32)]) -> Recipes {
        let mut recipes = Recipes::new();
        for (bundle, component, units) in rows {
            recipes.entry(sku(bundle)).or_default().push(Need {
                sku: sku(component),
                units: *units,
            });
        }
        recipes
    }

    #[track_caller]
    fn check_needs(rows: &[(&str, &str, u32)], of: &str, expected: &[(&str, u32)]) {
        let found = needs(&sku(of), &recipes(rows)).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|need| (need.sku.as_str(), need.units))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn recipes_are_flattened() {
        check_needs(&[], "A", &[("A", 1)]);
        check_needs(&[("X", "C", 1), ("X", "C", 2)], "X", &[("C", 3)]);
        check_needs(&[("X", "A", 2), ("X", "B", 0)], "X", &[("A", 2)]);
        check_needs(
            &[("X", "Y", 2), ("Y", "A", 3), ("X", "A", 1)],
            "X",
            &[("A", 7)],
        );
    }

    #[test]
    fn a_bundle_that_contains_itself_is_refused() {
        let loops = recipes(&[("X", "Y", 1), ("Y", "X", 1)]);
        assert!(matches!(check(&loops), Err(RecipeError::Cycle { .. })));
        assert!(matches!(
            check(&recipes(&[("X", "X", 1)])),
            Err(RecipeError::Cycle { .. })
        ));
        // The same component by two ways is no cycle.
        assert!(
            check(&recipes(&[
                ("X", "Y", 1),
                ("X", "Z", 1),
                ("Y", "A", 1),
                ("Z", "A", 1)
            ]))
            .is_ok()
        );
    }

    #[test]
    fn too_many_units_are_refused() {
        let huge = recipes(&[("X", "Y", u32::MAX), ("Y", "A", 2)]);
        assert!(matches!(check(&huge), Err(RecipeError::TooMany { .. })));
    }
}
