//! The playground: one page, its style and its script, all out of the binary.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;

const PAGE: &str = include_str!("playground/page.html");
const STYLE: &str = include_str!("playground/page.css");
const SCRIPT: &str = concat!(
    include_str!("playground/page.js"),
    include_str!("playground/chat.js"),
    include_str!("playground/pack.js")
);
/// Nothing from elsewhere, nothing written into the page is run, and no other page may frame it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page's routes: they hold no secrets and ask for no token, what the page asks for does.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|| async { file("text/html; charset=utf-8", PAGE) }))
        .route("/playground.css", get(|| async { file("text/css; charset=utf-8", STYLE) }))
        .route("/playground.js", get(|| async { file("text/javascript; charset=utf-8", SCRIPT) }))
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let set = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let headers = [
        set(header::CONTENT_TYPE, kind),
        set(header::CONTENT_SECURITY_POLICY, POLICY),
        set(header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text)
}
