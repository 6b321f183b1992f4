//! The JSON Schema of the file, printed from the same tables that the reader reads by.

use serde_json::{Map, Value, json};

use crate::keys;
use crate::shape::{Key, Kind, Shape, Text};
use crate::value::{self, MAX_TEXT};

/// JSON Schema (draft 2020-12) of the config file, for editors (`yaml.schemas`) and `haechi schema`.
///
/// It checks shape and most values; references, clashes and contradictions are found by
/// [`crate::compile`] only.
pub fn schema() -> Value {
    let mut schema = section(&keys::ROOT);
    if let Value::Object(root) = &mut schema {
        root.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("title".into(), json!("haechi config"));
    }
    schema
}

fn section(shape: &Shape) -> Value {
    let properties: Map<String, Value> =
        shape.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = shape.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let Value::Object(fields) = &mut schema {
        if !required.is_empty() {
            fields.insert("required".into(), json!(required));
        }
        if shape.extensible {
            fields.insert("patternProperties".into(), json!({ "^x-": {} }));
        }
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = kind(&key.kind);
    if let Value::Object(fields) = &mut schema {
        fields.insert("description".into(), json!(key.doc));
        if let Some(default) = key.default {
            fields.insert("default".into(), self::default(&key.kind, default));
        }
    }
    schema
}

/// A default as JSON: the tables hold it as YAML.
fn default(kind: &Kind, text: &str) -> Value {
    let number = matches!(kind, Kind::Int(..) | Kind::Percent | Kind::Text(Text::Redirect))
        .then(|| text.parse::<u64>().ok())
        .flatten();
    let list = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match (number, list, kind) {
        (Some(number), ..) => json!(number),
        (_, Some(list), _) => json!(list.split(", ").collect::<Vec<_>>()),
        (.., Kind::Flag) => json!(text == "true"),
        _ => json!(text),
    }
}

fn kind(kind: &Kind) -> Value {
    match kind {
        Kind::Text(Text::Status) => json!({
            "anyOf": [
                { "type": "integer", "minimum": 100, "maximum": 599 },
                { "type": "string", "pattern": value::pattern(Text::Status) },
            ],
        }),
        Kind::Text(Text::Redirect) => json!({ "type": "integer", "enum": value::http::REDIRECTS }),
        Kind::Text(text) => match value::pattern(*text) {
            Some(pattern) => json!({ "type": "string", "pattern": pattern }),
            None => json!({ "type": "string", "minLength": 1, "maxLength": MAX_TEXT }),
        },
        Kind::Word(words, _) => json!({ "type": "string", "enum": words }),
        Kind::Duration(..) => json!({
            "type": "string",
            "pattern": "^(?=.)(\\d+d)?(\\d+h)?(\\d+m)?(\\d+s)?(\\d+ms)?(\\d+us)?(\\d+ns)?$",
            "examples": ["250ms", "10s", "1h30m"],
        }),
        Kind::Size(..) => {
            json!({ "type": "string", "pattern": "^\\d+(B|KiB|MiB|GiB)$", "examples": ["8KiB"] })
        }
        Kind::Int(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Percent => json!({
            "type": ["integer", "string"], "minimum": 0, "maximum": 100, "pattern": "^(100|[1-9]?\\d)%?$",
        }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Section(shape) => section(shape),
        Kind::Named(value) => json!({
            "type": "object",
            "propertyNames": { "pattern": value::pattern(Text::Name) },
            "additionalProperties": self::kind(value),
        }),
        Kind::Keyed(text, value) => json!({
            "type": "object",
            "propertyNames": { "pattern": value::pattern(*text) },
            "additionalProperties": self::kind(value),
        }),
        // Editors read `x-canary: 1` as a number; the reader takes what is written.
        Kind::Headers => json!({
            "type": "object",
            "propertyNames": { "pattern": value::pattern(Text::HeaderName) },
            "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
        }),
        Kind::Fields => json!({
            "type": "object",
            "propertyNames": { "pattern": value::pattern(Text::HeaderName) },
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        }),
        Kind::List(item) => json!({ "type": "array", "items": self::kind(item) }),
        Kind::Many(item) => {
            let item = self::kind(item);
            json!({ "anyOf": [item, { "type": "array", "minItems": 1, "items": item }] })
        }
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(self::kind).collect::<Vec<_>>() }),
    }
}

#[cfg(test)]
mod tests;
