//! The report for programs: `tests/report.schema.json`.

use super::Report;

/// The report as JSON.
pub(crate) fn write(report: &Report) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const SCHEMA: &str = include_str!("../../report.schema.json");

    /// What the schema uses of JSON Schema: type, const, enum, required, properties, additionalProperties, items.
    fn fits(schema: &Value, value: &Value, at: &str) {
        if let Some(wanted) = schema.get("enum") {
            assert!(wanted.as_array().unwrap().contains(value), "{at}: {value}");
        }
        if let Some(wanted) = schema.get("const") {
            assert_eq!(wanted, value, "{at}");
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().map(|one| one.as_str().unwrap()).collect(),
            _ => return,
        };
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        assert!(types.contains(&kind), "{at} is {kind}");
        for item in value.as_array().into_iter().flatten() {
            fits(&schema["items"], item, &format!("{at}[]"));
        }
        let Some(object) = value.as_object() else {
            return;
        };
        let properties = schema["properties"].as_object().unwrap();
        for required in schema["required"].as_array().unwrap() {
            assert!(
                object.contains_key(required.as_str().unwrap()),
                "{at}: {required}"
            );
        }
        for (name, member) in object {
            let property = properties.get(name);
            fits(
                property.unwrap_or_else(|| panic!("{at}.{name}")),
                member,
                &format!("{at}.{name}"),
            );
        }
    }

    #[test]
    fn what_is_written_fits_the_schema() {
        let written: Value =
            serde_json::from_str(&write(&super::super::example()).unwrap()).unwrap();
        fits(&serde_json::from_str(SCHEMA).unwrap(), &written, "report");
        assert_eq!(written["entries"].as_array().unwrap().len(), 4);
        assert_eq!(written["totals"]["not_seen"], 1);
    }
}
