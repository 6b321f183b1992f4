//! Who answered, as far as the answer says.

use hyper::HeaderMap;
use serde_json::Value;

use crate::cli::By;
use crate::output;

/// Longest name shown, in characters: the start of a body that has no better name.
const LONGEST: usize = 40;

pub(super) fn who(by: &By, fields: &HeaderMap, body: &[u8]) -> String {
    let named = match by {
        By::Header(name) => {
            fields.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        }
        By::Json(field) => {
            serde_json::from_slice::<Value>(body).ok().and_then(|json| match json.get(field)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
        }
    };
    let name = named.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned());
    match output::clean(&output::first(&name, LONGEST)) {
        empty if empty.is_empty() => "(nothing)".to_owned(),
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_or_the_start_of_the_body() {
        let mut fields = HeaderMap::new();
        fields.insert("x-served-by", "web-9".parse().unwrap());
        fields.insert("x-empty", "".parse().unwrap());
        let json = By::Json("pod".into());
        let header = |name: &'static str| By::Header(hyper::header::HeaderName::from_static(name));
        let long = format!("{}…", "x".repeat(40));
        let rows: &[(By, &[u8], &str)] = &[
            (json.clone(), br#"{"status":"ok","pod":"web-1"}"#, "web-1"),
            (json.clone(), br#"{"pod":7}"#, "7"),
            (json.clone(), br#"{"pod":{"name":"x"}}"#, r#"{"pod":{"name":"x"}}"#),
            (json.clone(), br#"{"status":"ok"}"#, r#"{"status":"ok"}"#),
            (json.clone(), b" plain text\n", "plain text"),
            (json.clone(), &[b'x'; 1000], &long),
            (json.clone(), b"", "(nothing)"),
            (json.clone(), b"\xff\x1b[2J", "\u{fffd}\u{fffd}[2J"),
            (json, "\"pod\"".as_bytes(), "\"pod\""),
            (header("x-served-by"), b"body", "web-9"),
            (header("x-missing"), b"body", "body"),
            (header("x-empty"), b"body", "(nothing)"),
        ];
        for (by, body, expected) in rows {
            assert_eq!(who(by, &fields, body), *expected, "{by:?} {body:?}");
        }
    }
}
