//! Who may ask for what.

use crate::config::Config;
use crate::error::ApiError;
use crate::execute::Executor;
use crate::metrics::Metrics;
use crate::packs::Packs;
use crate::scheduler::Scheduler;
use crate::turn::Stage;
use crate::{chat, completions, describe, playground};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use lm::{Chat, ChatTemplate, FrozenLm, Specials};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

/// What all requests share.
pub(crate) struct App {
    pub model: &'static dyn FrozenLm,
    pub template: ChatTemplate,
    pub packs: Arc<Packs>,
    pub scheduler: Arc<Scheduler>,
    pub executor: Arc<Executor>,
    pub metrics: Arc<Metrics>,
    pub config: Arc<Config>,
}

impl App {
    pub fn stage(&self) -> Stage {
        Stage {
            scheduler: Arc::clone(&self.scheduler),
            executor: Arc::clone(&self.executor),
            metrics: Arc::clone(&self.metrics),
            config: Arc::clone(&self.config),
        }
    }

    /// Tokens that a conversation may have, with its answer.
    pub fn context(&self) -> usize {
        self.packs.words.context()
    }

    pub fn check_model(&self, name: Option<&str>) -> Result<(), ApiError> {
        match name {
            Some(name) if name != self.config.model_name => Err(ApiError {
                code: Some("model_not_found"),
                param: Some("model".into()),
                ..ApiError::new(
                    StatusCode::NOT_FOUND,
                    format!("there is no model `{name}`; this server has `{}`", self.config.model_name),
                )
            }),
            _ => Ok(()),
        }
    }

    pub fn prompt_tokens(&self, chat: &Chat<'_>) -> Result<usize, ApiError> {
        let fault = |e: lm::LmError| ApiError::bad("messages", e.to_string());
        let text = self.template.render(chat).map_err(fault)?;
        Ok(self.model.tokenizer().encode_rendered(&text).map_err(fault)?.len())
    }

    pub fn raw_tokens(&self, text: &str) -> Result<usize, ApiError> {
        let ids = self.model.tokenizer().encode(text, Specials::Text);
        Ok(ids.map_err(|e| ApiError::bad("prompt", e.to_string()))?.len() + 1)
    }
}

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let guarded = Router::new()
        .route("/v1/chat/completions", post(chat_completions))
        .route("/v1/completions", post(text_completions))
        .route("/v1/models", get(models))
        .route("/v1/models/{id}", get(model))
        .route("/tokenize", post(tokenize))
        .route("/packs", get(list_packs))
        .route("/packs/{name}", get(show_pack).post(load_pack).delete(unload_pack))
        .route("/packs/{name}/examples", put(refit_pack))
        .route("/metrics", get(metrics))
        // The guard has its own limit on bodies.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::clone(&app), guard));
    Router::new()
        .route("/health", get(|| async { axum::Json(json!({"status": "ok"})) }))
        .route("/openapi.json", get(|| async { axum::Json(describe::openapi()) }))
        .merge(playground::routes())
        .merge(guarded)
        .fallback(|| async {
            ApiError::new(StatusCode::NOT_FOUND, "there is nothing here: see /openapi.json")
        })
        .method_not_allowed_fallback(|| async {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not served here: see /openapi.json")
        })
        .layer(from_fn_with_state(Arc::clone(&app), home))
        .with_state(app)
}

/// Without a token only this machine's own pages may ask: a name that was made to point here (DNS rebinding) may not.
async fn home(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.config.token.is_none() {
        let host =
            request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name = host
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
            .map_or(host, |(name, _)| name);
        let own = name.parse() == Ok(app.config.address.ip());
        if !own && !matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
            return ApiError::new(
                StatusCode::FORBIDDEN,
                "this server answers to localhost alone: start it with a token for other names",
            )
            .into_response();
        }
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// The bearer token, the body's type, size and time.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Some(token) = &app.config.token {
        let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        if !same(given.as_bytes(), token.as_bytes()) {
            let error = ApiError {
                code: Some("invalid_api_key"),
                ..ApiError::new(StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong")
            };
            return error.into_response();
        }
    }
    // A page elsewhere can send a form here, but not JSON without asking first, and it is never answered yes.
    let json = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let json = json.is_some_and(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    });
    if parts.method != Method::GET && !json {
        return ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json")
            .into_response();
    }
    let read = tokio::time::timeout(app.config.read_limit, to_bytes(body, app.config.body_bytes)).await;
    let bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => {
            let most = app.config.body_bytes;
            let long = error.into_inner().to_string().contains("length limit");
            let (status, message) = match long {
                true => (StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {most} bytes")),
                false => (StatusCode::BAD_REQUEST, "the body could not be read whole".to_owned()),
            };
            return ApiError::new(status, message).into_response();
        }
        Err(_) => {
            let seconds = app.config.read_limit.as_secs();
            return ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body did not arrive within {seconds} s"),
            )
            .into_response();
        }
    };
    parts.headers.remove(header::AUTHORIZATION);
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

/// Compares in a time that does not tell where two texts differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (x, y)| differ | (x ^ y)) == 0
}

/// Whose line a request waits in: the user that it names, else the address it comes from.
fn client(body: &[u8], peer: Option<SocketAddr>) -> String {
    #[derive(serde::Deserialize)]
    struct Named {
        user: Option<String>,
    }
    let named = serde_json::from_slice::<Named>(body).ok().and_then(|named| named.user);
    named.unwrap_or_else(|| peer.map_or_else(String::new, |peer| peer.ip().to_string()))
}

fn peer(request: &axum::http::Extensions) -> Option<SocketAddr> {
    request.get::<SocketAddr>().copied()
}

async fn chat_completions(
    State(app): State<Arc<App>>,
    extensions: axum::http::Extensions,
    body: Bytes,
) -> Result<Response, ApiError> {
    let client = client(&body, peer(&extensions));
    chat::answer(&app, client, &body).await
}

async fn text_completions(
    State(app): State<Arc<App>>,
    extensions: axum::http::Extensions,
    body: Bytes,
) -> Result<Response, ApiError> {
    let client = client(&body, peer(&extensions));
    completions::answer(&app, &client, &body).await
}

fn model_card(app: &App) -> Value {
    let card = app.model.card();
    json!({"id": app.config.model_name, "object": "model", "created": 0, "owned_by": "toolken", "name": card.name, "context": app.context()})
}

async fn models(State(app): State<Arc<App>>) -> axum::Json<Value> {
    axum::Json(json!({"object": "list", "data": [model_card(&app)]}))
}

async fn model(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<axum::Json<Value>, ApiError> {
    app.check_model(Some(&id))?;
    Ok(axum::Json(model_card(&app)))
}

async fn tokenize(State(app): State<Arc<App>>, body: Bytes) -> Result<axum::Json<Value>, ApiError> {
    #[derive(serde::Deserialize)]
    struct Text {
        text: String,
    }
    let Text { text } = serde_json::from_slice(&body)
        .map_err(|e| ApiError::bad("text", format!("expected {{\"text\": …}}: {e}")))?;
    let ids = tokio::task::spawn_blocking(move || app.model.tokenizer().encode(&text, Specials::Text))
        .await
        .map_err(|e| ApiError::internal(e.to_string()))?;
    let ids = ids.map_err(|e| ApiError::bad("text", e.to_string()))?;
    Ok(axum::Json(json!({"count": ids.len(), "tokens": ids})))
}

async fn list_packs(State(app): State<Arc<App>>) -> axum::Json<Value> {
    let bundle = app.packs.current();
    axum::Json(json!({"packs": bundle.packs.iter().map(|pack| pack.summary()).collect::<Vec<_>>()}))
}

async fn show_pack(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<axum::Json<Value>, ApiError> {
    let pack = app.packs.find(&name)?;
    let details = tokio::task::spawn_blocking(move || pack.details()).await;
    Ok(axum::Json(details.map_err(|e| ApiError::internal(e.to_string()))?))
}

/// Runs a change of packs off the threads that answer requests.
async fn change(
    app: Arc<App>,
    work: impl FnOnce(&Packs) -> Result<(), ApiError> + Send + 'static,
) -> Result<axum::Json<Value>, ApiError> {
    let done = tokio::task::spawn_blocking(move || work(&app.packs).map(|()| app)).await;
    let app = done.map_err(|e| ApiError::internal(e.to_string()))??;
    app.executor.keep(&app.packs.current().tools).await;
    Ok(list_packs(State(app)).await)
}

async fn load_pack(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<axum::Json<Value>, ApiError> {
    change(app, move |packs| packs.load(&name)).await
}

async fn unload_pack(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<axum::Json<Value>, ApiError> {
    change(app, move |packs| packs.unload(&name)).await
}

async fn refit_pack(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<axum::Json<Value>, ApiError> {
    let examples = serde_json::from_slice(&body)
        .map_err(|e| ApiError::bad("examples", format!("expected a list of examples: {e}")))?;
    change(app, move |packs| packs.refit(&name, examples)).await
}

async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    (headers, app.metrics.text())
}
