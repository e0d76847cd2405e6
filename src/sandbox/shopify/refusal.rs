//! What an emulated Shopify refuses, in its words.

use serde_json::{Value, json};

/// `nodes(ids:)` takes at most this many, as every input array.
pub(super) const INPUT_MAX: usize = 250;

/// Why a field has no value.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The request fails as a whole: no `data`.
    Whole(Value),
    /// The field is null, and the error names it.
    Field(Value),
}

/// The refusal of an input array that is too long.
pub(super) fn too_many(n: usize, at: &str) -> Refusal {
    let message =
        format!("The input array size of {n} is greater than the maximum allowed of {INPUT_MAX}.");
    let extensions = json!({"code": "MAX_INPUT_SIZE_EXCEEDED"});
    Refusal::Whole(json!({"message": message, "path": [at], "extensions": extensions}))
}

/// The refusal of a field that the sandbox, or Shopify, does not have.
pub(super) fn unknown(kind: &str, name: &str) -> Refusal {
    Refusal::Whole(json!({
        "message": format!("Field '{name}' doesn't exist on type '{kind}'"),
        "extensions": {"code": "undefinedField", "typeName": kind, "fieldName": name},
    }))
}

/// `INVALID_VARIABLE`.
pub(super) fn invalid_variable(variable: &str, kind: &str, path: &str, why: &str) -> Refusal {
    let message = format!(
        "Variable ${variable} of type {kind} was provided invalid value for {path} ({why})"
    );
    let path: Vec<_> = path.split('.').collect();
    let problems = json!([{"path": path, "explanation": why}]);
    Refusal::Whole(json!({
        "message": message,
        "extensions": {"code": "INVALID_VARIABLE", "value": null, "problems": problems},
    }))
}
