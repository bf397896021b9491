//! One operation of the document: a method on a path.

use axum::http::Method;
use serde_json::{Map, Value, json};

/// A method on a path: what it takes and what it answers.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) method: Method,
    /// In the usual spelling, with `{parameters}`.
    pub(super) path: String,
    id: &'static str,
    summary: &'static str,
    /// Parameters of the query, by their names in the document.
    query: Vec<&'static str>,
    takes: Option<Takes>,
    answers: Vec<(u16, Shape)>,
    /// Answers tell where an operation is followed.
    is_followed: bool,
    is_versioned: bool,
}

/// The body of a request.
#[derive(Debug, Clone, Copy)]
struct Takes {
    schema: &'static str,
    is_required: bool,
}

/// The body of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// JSON of that schema.
    Json(&'static str),
    /// None.
    Empty,
    /// Of another content type.
    Other(&'static str),
}

pub(super) fn get(path: impl Into<String>, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::GET, path.into(), id, summary)
}

pub(super) fn head(path: impl Into<String>, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::HEAD, path.into(), id, summary)
}

pub(super) fn put(path: impl Into<String>, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::PUT, path.into(), id, summary)
}

pub(super) fn patch(path: impl Into<String>, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::PATCH, path.into(), id, summary)
}

pub(super) fn post(path: impl Into<String>, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Method::POST, path.into(), id, summary)
}

pub(super) fn delete(
    path: impl Into<String>,
    id: &'static str,
    summary: &'static str,
) -> Operation {
    Operation::new(Method::DELETE, path.into(), id, summary)
}

impl Operation {
    fn new(method: Method, path: String, id: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            id,
            summary,
            query: Vec::new(),
            takes: None,
            answers: Vec::new(),
            is_followed: false,
            is_versioned: true,
        }
    }

    /// Has these parameters in its query.
    pub(super) fn query(mut self, names: &[&'static str]) -> Self {
        self.query.extend(names);
        self
    }

    /// Is a list in pages.
    pub(super) fn paged(self) -> Self {
        self.query(&["top", "skipToken"])
    }

    /// Takes a body of that schema.
    pub(super) fn takes(mut self, schema: &'static str) -> Self {
        self.takes = Some(Takes {
            schema,
            is_required: true,
        });
        self
    }

    /// As [`Operation::takes`], or none.
    pub(super) fn may_take(mut self, schema: &'static str) -> Self {
        self.takes = Some(Takes {
            schema,
            is_required: false,
        });
        self
    }

    /// Answers with that status and body.
    pub(super) fn answers(mut self, status: u16, shape: Shape) -> Self {
        self.answers.push((status, shape));
        self
    }

    /// Answers 200 with JSON of that schema.
    pub(super) fn ok(self, schema: &'static str) -> Self {
        self.answers(200, Shape::Json(schema))
    }

    /// Answers 201 with JSON of that schema.
    pub(super) fn created(self, schema: &'static str) -> Self {
        self.answers(201, Shape::Json(schema))
    }

    /// Answers with that status alone.
    pub(super) fn empty(self, status: u16) -> Self {
        self.answers(status, Shape::Empty)
    }

    /// Begins an operation that its answers tell how to follow.
    pub(super) fn followed(mut self) -> Self {
        self.is_followed = true;
        self
    }

    /// Takes no `api-version`.
    pub(super) fn unversioned(mut self) -> Self {
        self.is_versioned = false;
        self
    }

    /// As the document has it.
    pub(super) fn json(&self) -> Value {
        let mut shown = json!({
            "operationId": self.id,
            "summary": self.summary,
            "parameters": self.parameters(),
            "responses": self.responses(),
        });
        if let Some(takes) = self.takes {
            shown["requestBody"] = json!({
                "required": takes.is_required,
                "content": content("application/json", takes.schema),
            });
        }
        shown
    }

    fn parameters(&self) -> Vec<Value> {
        let in_path = self.path.split('/').filter_map(|segment| {
            let name = segment.strip_prefix('{')?;
            name.strip_suffix('}')
        });
        let version = self.is_versioned.then_some("apiVersion");
        let names = in_path.chain(version).chain(self.query.iter().copied());
        names
            .map(|name| json!({"$ref": format!("#/components/parameters/{name}")}))
            .collect()
    }

    fn responses(&self) -> Value {
        let mut responses = Map::new();
        for (status, shape) in &self.answers {
            let mut answer = json!({"description": description(*status)});
            match shape {
                Shape::Json(schema) => answer["content"] = content("application/json", schema),
                Shape::Other(form) => answer["content"] = json!({*form: {}}),
                Shape::Empty => {}
            }
            if self.is_followed {
                let header = |name| json!({"$ref": format!("#/components/headers/{name}")});
                answer["headers"] = json!({
                    "Azure-AsyncOperation": header("AsyncOperation"),
                    "Location": header("Location"),
                    "Retry-After": header("RetryAfter"),
                });
            }
            responses.insert(status.to_string(), answer);
        }
        let refusal = json!({
            "description": "A refusal, with a code and with sentences that say what to do",
            "content": content("application/json", "Error"),
        });
        responses.insert("default".to_owned(), refusal);
        Value::Object(responses)
    }
}

fn content(form: &str, schema: &str) -> Value {
    json!({form: {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}

fn description(status: u16) -> &'static str {
    match status {
        200 => "As it is now",
        201 => "It is made",
        202 => "It is under way",
        204 => "There is nothing to say, or no such thing",
        206 => "What changed",
        _ => "See docs/api.md",
    }
}
