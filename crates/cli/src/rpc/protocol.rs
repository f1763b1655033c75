//! The envelope: JSON-RPC 2.0 requests, results and errors.

use serde_json::{Map, Value, json};

/// A request or, without an id, a notification to us.
#[derive(Debug)]
pub(super) struct Request {
    /// What to give back with the answer; without it there is none.
    pub(super) id: Option<Value>,
    pub(super) method: String,
    pub(super) params: Value,
}

/// An error object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    code: i32,
    message: String,
    name: &'static str,
}

impl Request {
    /// Reads one line.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Fault> {
        let value: Value = serde_json::from_slice(line)
            .map_err(|_error| Fault::new(-32_700, "parse_error", "this line is not JSON"))?;
        let Value::Object(mut object) = value else {
            let hint = if value.is_array() {
                "batches are not supported; send one object a line"
            } else {
                "a request is an object"
            };
            return Err(Fault::invalid_request(hint));
        };
        if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(Fault::invalid_request(
                "a request says \"jsonrpc\": \"2.0\"",
            ));
        }
        let id = object.remove("id");
        if !matches!(
            id,
            None | Some(Value::Null | Value::Number(_) | Value::String(_))
        ) {
            return Err(Fault::invalid_request("an id is a number or a string"));
        }
        let Some(Value::String(method)) = object.remove("method") else {
            return Err(Fault::invalid_request("a request names its method"));
        };
        let params = object
            .remove("params")
            .unwrap_or_else(|| Value::Object(Map::new()));
        Ok(Self { id, method, params })
    }
}

impl Fault {
    fn new(code: i32, name: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            name,
        }
    }

    fn invalid_request(message: &str) -> Self {
        Self::new(-32_600, "invalid_request", message)
    }

    /// The line was over the limit; its id is not known.
    pub(super) fn line_too_long() -> Self {
        Self::new(
            -32_600,
            "line_too_long",
            "a line holds at most 1,048,576 bytes",
        )
    }

    /// There is no such method.
    pub(super) fn method_not_found() -> Self {
        Self::new(-32_601, "method_not_found", "there is no such method")
    }

    /// The parameters are not those of the method.
    pub(super) fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(-32_602, "invalid_params", message)
    }

    /// The messenger refused or failed.
    pub(super) fn application(error: &sori_client::Error) -> Self {
        Self::new(-32_000, error.name(), error.to_string())
    }
}

/// The line that answers with a result.
pub(super) fn result(id: &Value, result: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

/// The line that answers with an error.
pub(super) fn error(id: &Value, fault: &Fault) -> String {
    let Fault {
        code,
        message,
        name,
    } = fault;
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message, "data": { "name": name } } })
        .to_string()
}

/// The line that tells without having been asked.
pub(super) fn notification(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> i32 {
        Request::parse(line.as_bytes()).unwrap_err().code
    }

    #[test]
    fn what_is_no_json_is_a_parse_error() {
        for line in ["{", "nonsense", "{}{}", "{\"id\":1,}", "\u{feff}{}"] {
            assert_eq!(code(line), -32_700, "{line}");
        }
        assert_eq!(Request::parse(b"\xff\xfe").unwrap_err().code, -32_700);
        assert_eq!(code(&"[".repeat(100_000)), -32_700);
    }

    #[test]
    fn what_is_no_request_is_an_invalid_request() {
        for line in [
            "1",
            "[]",
            r#"[{"jsonrpc":"2.0","id":1,"method":"x"}]"#,
            "{}",
            r#"{"jsonrpc":"1.0","method":"x"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#,
        ] {
            assert_eq!(code(line), -32_600, "{line}");
        }
    }

    #[test]
    fn ids_come_back_as_they_were() {
        for id in ["1", "-1", "\"abc\"", "null"] {
            let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x"}}"#);
            let request = Request::parse(line.as_bytes()).unwrap();
            let answer = result(&request.id.unwrap(), &json!({}));
            assert!(answer.contains(&format!("\"id\":{id}")), "{answer}");
        }
        assert!(
            Request::parse(br#"{"jsonrpc":"2.0","method":"x"}"#)
                .unwrap()
                .id
                .is_none()
        );
    }

    #[test]
    fn a_line_of_ours_is_one_line() {
        let line = result(&json!(1), &json!({ "text": "two\nlines\u{2028}" }));
        assert!(!line.contains('\n'));
    }
}
