//! The OpenAPI document.

use serde_json::{Value, json};

/// What is served, in OpenAPI 3.1.
pub(crate) fn openapi() -> Value {
    let body = |schema: Value| json!({"required": true, "content": {"application/json": {"schema": schema}}});
    let answers = |what: &str| {
        json!({
            "200": {"description": what}, "400": {"description": "A bad request; the error names the parameter"},
            "401": {"description": "The bearer token is missing or wrong"}, "413": {"description": "The body is too long"},
            "429": {"description": "Too many requests wait; see Retry-After"},
        })
    };
    let named = json!([{"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}]);
    let sampling = json!({
        "model": {"type": "string"}, "stream": {"type": "boolean"}, "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
        "temperature": {"type": "number", "minimum": 0, "maximum": 2, "default": 0}, "top_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "seed": {"type": "integer"}, "stop": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 16}]},
        "max_tokens": {"type": "integer", "minimum": 1}, "max_completion_tokens": {"type": "integer", "minimum": 1}, "n": {"const": 1},
        "user": {"type": "string"},
    });
    let with = |more: Value, required: Value| {
        let mut properties = sampling.clone();
        if let (Some(all), Some(more)) = (properties.as_object_mut(), more.as_object()) {
            all.extend(more.clone());
        }
        json!({"type": "object", "properties": properties, "required": required})
    };
    let chat = with(
        json!({
            "messages": {"type": "array", "minItems": 1, "items": {"type": "object"}},
            "tools": {"type": "array", "items": {"type": "object"}, "description": "Selects among the tools of the loaded packs"},
            "tool_choice": {"anyOf": [{"enum": ["none", "auto", "required"]}, {"type": "object"}]},
            "parallel_tool_calls": {"type": "boolean", "default": true}, "response_format": {"type": "object"},
            "logprobs": {"type": "boolean"}, "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
            "toolken": {"type": "object", "properties": {"all_tools": {"type": "boolean"}, "trace": {"type": "boolean"}, "return_calls": {"type": "boolean"}}},
        }),
        json!(["messages"]),
    );
    let text = json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]});
    json!({
        "openapi": "3.1.0",
        "info": {"title": "toolken", "version": env!("CARGO_PKG_VERSION"), "description": "A frozen language model with tool heads, under OpenAI's API."},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/v1/chat/completions": {"post": {"operationId": "chat", "summary": "Answer a conversation, or call tools", "requestBody": body(chat), "responses": answers("A completion, or a stream of chunks")}},
            "/v1/completions": {"post": {"operationId": "complete", "summary": "Continue a text", "requestBody": body(with(json!({"prompt": {"type": "string"}}), json!(["prompt"]))), "responses": answers("A completion, or a stream of chunks")}},
            "/v1/models": {"get": {"operationId": "models", "summary": "The model", "responses": answers("A list of one")}},
            "/tokenize": {"post": {"operationId": "tokenize", "summary": "A text's token ids", "requestBody": body(text), "responses": answers("The ids")}},
            "/packs": {"get": {"operationId": "packs", "summary": "The packs in use", "responses": answers("The packs")}},
            "/packs/{name}": {
                "parameters": named,
                "get": {"operationId": "pack", "summary": "A pack's tools, examples and figures", "responses": answers("The pack")},
                "post": {"operationId": "loadPack", "summary": "Load a pack by name, or load it again", "responses": answers("It is loaded")},
                "delete": {"operationId": "unloadPack", "summary": "Take a pack out of use", "responses": answers("It is out of use")},
            },
            "/packs/{name}/examples": {"parameters": named, "put": {"operationId": "refit", "summary": "Fit again with these examples, in memory", "requestBody": body(json!({"type": "array", "items": {"type": "object"}})), "responses": answers("It is fitted")}},
            "/health": {"get": {"operationId": "health", "summary": "Whether the server is up", "responses": answers("It is")}},
            "/metrics": {"get": {"operationId": "metrics", "summary": "Counters for Prometheus", "responses": answers("The counters")}},
        },
    })
}
