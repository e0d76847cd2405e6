//! Answers of an emulated WooCommerce: errors, pages, field filters.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::sandbox::{sign, stage};

/// An error as the platform writes it: `{"code","message","data":{"status"}}`.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Trouble {
    /// An error with nothing but its status in `data`.
    pub(super) fn new(status: StatusCode, code: &str, message: &str) -> Self {
        let body = json!({"code": code, "message": message, "data": {"status": status.as_u16()}});
        Self { status, body }
    }

    /// `rest_invalid_param`.
    pub(super) fn param(name: &str, message: &str) -> Self {
        let details = json!({name: {"code": "rest_invalid_type", "message": message, "data": {"param": name}}});
        let body = json!({
            "code": "rest_invalid_param",
            "message": format!("Invalid parameter(s): {name}"),
            "data": {"status": 400, "params": {name: message}, "details": details},
        });
        let status = StatusCode::BAD_REQUEST;
        Self { status, body }
    }

    /// `Invalid ID.`
    pub(super) fn invalid_id(code: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, "Invalid ID.")
    }

    /// No such route.
    pub(super) fn no_route() -> Self {
        let message = "No route was found matching the URL and request method.";
        Self::new(StatusCode::NOT_FOUND, "rest_no_route", message)
    }

    /// The error of one item of a batch.
    pub(super) fn of_item(self, id: &Value) -> Value {
        json!({"id": id, "error": self.body})
    }
}

/// The query of a request, decoded.
pub(super) struct Query(pub(super) Vec<(String, String)>);

impl Query {
    /// A parameter; the last one wins, as in PHP.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|pair| pair.0 == name)
            .map(|pair| pair.1.as_str())
    }

    /// A boolean parameter.
    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }

    fn number(&self, name: &str, default: usize, most: usize) -> Result<usize, Trouble> {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|n| (1..=most).contains(n));
        let message = format!("{name} must be between 1 (inclusive) and {most} (inclusive)");
        number.ok_or_else(|| Trouble::param(name, &message))
    }

    /// Whether the order is ascending; lists are descending unless told.
    pub(super) fn ascending(&self) -> bool {
        self.get("order") == Some("asc")
    }

    /// Keeps what `_fields` names.
    pub(super) fn fields(&self, value: Value) -> Value {
        let Some(names) = self.get("_fields") else {
            return value;
        };
        let names: Vec<_> = names.split(',').map(str::trim).collect();
        match value {
            Value::Object(object) => {
                let kept = object
                    .into_iter()
                    .filter(|(name, _)| names.contains(&name.as_str()));
                Value::Object(kept.collect::<Map<_, _>>())
            }
            other => other,
        }
    }
}

/// A JSON answer with the headers of the platform.
pub(super) fn wordpress(status: StatusCode, base_url: &str, value: &Value) -> Response<Bytes> {
    let mut response = stage::json(status, &Value::Null);
    *response.body_mut() = Bytes::from(sign::php_json(value));
    let link = format!("<{base_url}/wp-json/>; rel=\"https://api.w.org/\"");
    stage::set(&mut response, "link", &link);
    let cache = "no-cache, must-revalidate, max-age=0, no-store, private";
    stage::set(&mut response, "cache-control", cache);
    response
}

/// One page of `all`, which is in order already; nothing is rendered that is not on it. `path` is the address of the list.
pub(super) fn list<T>(
    all: impl ExactSizeIterator<Item = T>,
    render: impl Fn(T) -> Value,
    query: &Query,
    base_url: &str,
    path: &str,
) -> Result<Response<Bytes>, Trouble> {
    let per_page = query.number("per_page", 10, 100)?;
    let page = query.number("page", 1, usize::MAX)?;
    let total = all.len();
    let n_pages = total.div_ceil(per_page);
    let from = per_page.saturating_mul(page - 1);
    let here = all.skip(from).take(per_page);
    let rows: Vec<_> = here.map(|one| query.fields(render(one))).collect();
    let mut response = wordpress(StatusCode::OK, base_url, &Value::Array(rows));
    stage::set(&mut response, "x-wp-total", &total.to_string());
    stage::set(&mut response, "x-wp-totalpages", &n_pages.to_string());
    let mut links = Vec::new();
    if page > 1 && n_pages > 0 {
        links.push(link(query, path, (page - 1).min(n_pages), "prev"));
    }
    if page < n_pages {
        links.push(link(query, path, page + 1, "next"));
    }
    if !links.is_empty() {
        stage::set(&mut response, "link", &links.join(", "));
    }
    Ok(response)
}

fn link(query: &Query, path: &str, page: usize, rel: &str) -> String {
    let shown = query
        .0
        .iter()
        .filter(|pair| pair.0 != "page" && !pair.0.starts_with("oauth_"));
    let mut parts: Vec<_> = shown
        .map(|(name, value)| format!("{}={}", sign::encode(name), sign::encode(value)))
        .collect();
    parts.push(format!("page={page}"));
    format!("<{path}?{}>; rel=\"{rel}\"", parts.join("&"))
}
