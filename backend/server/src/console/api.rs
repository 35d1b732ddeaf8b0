//! `/console/api` and `/help/api`.

use kamiflow_app::views::api::{ApiTokens, Member, Operation, Reference, Shape};
use kamiflow_domain::api::list_tokens::list_tokens;
use serde_json::Value;

use super::{Asked, Loaded, Stop, shown};
use crate::api::document;

/// Reads the tokens.
pub(super) async fn tokens(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let tokens = list_tokens(&asked.product.engine, asked.ctx).await?;
    Ok(shown(ApiTokens { tokens, shops: asked.shops.clone(), is_test: asked.is_test, now: asked.ctx.now }))
}

/// Reads the API's own document, for a page that anybody may read.
pub(super) fn reference() -> Loaded {
    shown(described(document()))
}

fn described(document: &Value) -> Reference {
    let objects = |pointer: &str| document.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    let operations = objects("/paths").flat_map(|(path, item)| {
        let item = item.as_object().into_iter().flatten();
        item.map(move |(method, operation)| described_operation(path, method, operation))
    });
    let shapes = objects("/components/schemas").map(|(name, schema)| Shape {
        name: name.clone(),
        members: fields(schema, document),
        example: schema.get("example").and_then(|example| serde_json::to_string_pretty(example).ok()),
    });
    Reference { operations: operations.collect(), shapes: shapes.filter(|shape| !shape.members.is_empty()).collect() }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn described_operation(path: &str, method: &str, operation: &Value) -> Operation {
    let scope = operation.pointer("/security/0/token/0").and_then(Value::as_str).unwrap_or_default();
    let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let answers = operation.get("responses").and_then(Value::as_object).into_iter().flatten();
    let success = answers.filter(|(status, _)| status.starts_with('2')).map(|(_, answer)| answer).next();
    let shape_in = |holder: Option<&Value>| {
        holder.and_then(|holder| holder.pointer("/content/application~1json/schema")).and_then(shape_of)
    };
    Operation {
        id: text(operation, "operationId"),
        summary: text(operation, "summary"),
        method: method.to_uppercase(),
        path: path.to_owned(),
        scope: scope.to_owned(),
        parameters: parameters.map(parameter).collect(),
        takes: shape_in(operation.get("requestBody")),
        gives: shape_in(success),
    }
}

fn parameter(parameter: &Value) -> Member {
    let schema = parameter.get("schema").unwrap_or(&Value::Null);
    Member {
        name: text(parameter, "name"),
        place: text(parameter, "in"),
        kind: kind(schema),
        shape: None,
        is_required: parameter.get("required").and_then(Value::as_bool).unwrap_or_default(),
        text: text(parameter, "description"),
    }
}

/// Lists the fields of an object, those of the shapes that it consists of first.
fn fields(schema: &Value, document: &Value) -> Vec<Member> {
    let mut members = Vec::new();
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        let part =
            part.get("$ref").and_then(Value::as_str).and_then(|name| document.pointer(name.trim_start_matches('#')));
        members.extend(part.into_iter().flat_map(own_fields));
    }
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        members.extend(own_fields(part));
    }
    members.extend(own_fields(schema));
    members
}

fn own_fields(schema: &Value) -> Vec<Member> {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let member = |(name, property): (&String, &Value)| Member {
        name: name.clone(),
        place: String::new(),
        kind: kind(property),
        shape: shape_of(property),
        is_required: is_required(name),
        text: text(property, "description"),
    };
    properties.map(member).collect()
}

/// Returns the schemas that one may stand for, without null.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let is_null = |schema: &&Value| schema.get("type").and_then(Value::as_str) != Some("null");
    let listed = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
    listed.map_or_else(|| vec![schema], |listed| listed.iter().filter(is_null).collect())
}

/// Returns the shape that a schema leads to, if it does.
fn shape_of(schema: &Value) -> Option<String> {
    alternatives(schema).into_iter().find_map(|schema| {
        let named = schema.get("items").unwrap_or(schema);
        let name = named.get("$ref").and_then(Value::as_str)?.rsplit('/').next()?;
        Some(name.to_owned())
    })
}

/// Returns a schema's type in a word: `string`, `time?`, `Card[]`.
fn kind(schema: &Value) -> String {
    let alternatives = alternatives(schema);
    let is_nullable = schema.get("oneOf").or_else(|| schema.get("anyOf")).is_some()
        || schema.get("type").and_then(Value::as_array).is_some_and(|types| types.iter().any(|kind| kind == "null"));
    let word = alternatives.first().map(|schema| word(schema)).unwrap_or_default();
    if is_nullable { format!("{word}?") } else { word }
}

fn word(schema: &Value) -> String {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(items) = schema.get("items") {
        return format!("{}[]", kind(items));
    }
    if let Some(names) = schema.get("enum").and_then(Value::as_array) {
        return names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | ");
    }
    if schema.get("format").and_then(Value::as_str) == Some("date-time") {
        return "time".to_owned();
    }
    let kind = schema.get("type");
    let first = kind
        .and_then(Value::as_array)
        .and_then(|kinds| kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"));
    kind.and_then(Value::as_str).or(first).unwrap_or("any").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_operation_with_its_scope_and_what_it_gives() {
        let reference = described(document());
        assert_eq!(reference.operations.len(), 14);
        for operation in &reference.operations {
            let name = operation.gives.as_ref().unwrap_or_else(|| panic!("{} gives nothing", operation.id));
            assert!(reference.shapes.iter().any(|shape| shape.name == *name), "{name}");
            assert!(operation.scope.contains(':') && !operation.summary.is_empty(), "{}", operation.id);
        }
        let detail = reference.shapes.iter().find(|shape| shape.name == "ShopDetail").unwrap();
        let names: Vec<&str> = detail.members.iter().map(|member| member.name.as_str()).collect();
        assert!(names.contains(&"id") && names.contains(&"pauses"), "{names:?}");
    }

    #[test]
    fn types_are_said_in_a_word() {
        let schema = serde_json::json!({
            "time": { "type": ["string", "null"], "format": "date-time" },
            "list": { "type": "array", "items": { "$ref": "#/components/schemas/Card" } },
            "perhaps": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Card" }] },
        });
        assert_eq!(["time", "list", "perhaps"].map(|name| kind(&schema[name])), ["time?", "Card[]", "Card?"]);
        assert_eq!(shape_of(&schema["perhaps"]).as_deref(), Some("Card"));
    }
}
