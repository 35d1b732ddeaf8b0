//! What is served is what the document says.

use std::collections::BTreeSet;

use kamiflow_kernel::ApiScope;
use serde_json::Value;

use super::{document, served};

/// Method, path and operation of everything in the document.
fn described() -> Vec<(String, String, Value)> {
    let paths = document()["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| -> Vec<(String, String, Value)> {
        let item = item.as_object().unwrap();
        item.iter().map(|(method, operation)| (method.to_uppercase(), path.clone(), operation.clone())).collect()
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn the_document_and_the_routes_name_the_same_operations() {
    let described: BTreeSet<(String, String)> =
        described().into_iter().map(|(method, path, _)| (method, path)).collect();
    let served: BTreeSet<(String, String)> =
        served().into_iter().map(|(method, path)| (method.to_owned(), path)).collect();
    assert_eq!(described, served);
}

#[test]
fn each_operation_names_its_scope_its_refusals_and_what_is_left() {
    let mut used = BTreeSet::new();
    for (method, path, operation) in described() {
        let scopes = operation["security"][0]["token"].as_array().unwrap_or_else(|| panic!("{path} has no scope"));
        assert_eq!(scopes.len(), 1, "{path}");
        let scope: ApiScope = scopes[0].as_str().unwrap().parse().unwrap();
        assert_eq!(scope.as_str().ends_with(":read"), method == "GET", "{method} {path}");
        used.insert(scope);
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{path}");
        for status in ["400", "401", "403", "404", "429", "503"] {
            let content = &operation["responses"][status]["content"]["application/problem+json"];
            assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem", "{path} {status}");
        }
        let success = operation["responses"].as_object().unwrap().iter().find(|(status, _)| status.starts_with('2'));
        assert!(success.unwrap().1["headers"]["RateLimit-Remaining"].is_object(), "{path}");
    }
    assert_eq!(used, ApiScope::ALL.iter().copied().collect(), "every scope is for something");
}

#[test]
fn writes_take_a_key_and_only_the_one_that_is_kept_nowhere_does_not() {
    let mut without = Vec::new();
    for (method, _path, operation) in described() {
        let empty = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&empty);
        let takes_key = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        assert!(method == "POST" || !takes_key);
        if method == "POST" && !takes_key {
            without.push(operation["operationId"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(without, ["reveal_cards"]);
}

#[test]
fn the_document_is_of_openapi_3_1_and_every_reference_leads_somewhere() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    let text = document.to_string();
    for part in text.split("\"$ref\":\"#/").skip(1) {
        let pointer = format!("/{}", part.split('"').next().unwrap());
        assert!(document.pointer(&pointer).is_some(), "{pointer}");
    }
}
