//! Counters for Prometheus.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// What has happened since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub requests: AtomicU64,
    pub refused: AtomicU64,
    pub failed: AtomicU64,
    pub cancelled: AtomicU64,
    pub finished: AtomicU64,
    pub prompt_tokens: AtomicU64,
    pub generated_tokens: AtomicU64,
    pub reused_tokens: AtomicU64,
    pub read_tokens: AtomicU64,
    pub tool_calls: AtomicU64,
    pub tool_failures: AtomicU64,
    pub running: AtomicU64,
    pub waiting: AtomicU64,
    pub steps: AtomicU64,
}

impl Metrics {
    pub fn add(counter: &AtomicU64, value: usize) {
        counter.fetch_add(value as u64, Ordering::Relaxed);
    }

    pub fn set(counter: &AtomicU64, value: usize) {
        counter.store(value as u64, Ordering::Relaxed);
    }

    /// Prometheus' text format.
    pub fn text(&self) -> String {
        let rows: [(&str, &str, &str, &AtomicU64); 14] = [
            ("requests_total", "counter", "Generations asked for", &self.requests),
            ("requests_refused_total", "counter", "Requests refused because too many wait", &self.refused),
            ("requests_failed_total", "counter", "Generations that failed", &self.failed),
            ("requests_cancelled_total", "counter", "Generations whose client left", &self.cancelled),
            ("requests_finished_total", "counter", "Generations that came to their end", &self.finished),
            ("prompt_tokens_total", "counter", "Tokens of prompts", &self.prompt_tokens),
            (
                "generated_tokens_total",
                "counter",
                "Tokens generated, arguments included",
                &self.generated_tokens,
            ),
            ("reused_tokens_total", "counter", "Prompt tokens whose state was kept", &self.reused_tokens),
            ("read_tokens_total", "counter", "Tokens that the model has read", &self.read_tokens),
            ("tool_calls_total", "counter", "Calls run by the server", &self.tool_calls),
            ("tool_failures_total", "counter", "Calls run by the server that failed", &self.tool_failures),
            ("running", "gauge", "Generations under way", &self.running),
            ("waiting", "gauge", "Generations that wait", &self.waiting),
            ("steps_total", "counter", "Steps of the batch", &self.steps),
        ];
        let mut text = String::new();
        for (name, kind, help, value) in rows {
            let value = value.load(Ordering::Relaxed);
            let _ = writeln!(
                text,
                "# HELP toolken_{name} {help}.\n# TYPE toolken_{name} {kind}\ntoolken_{name} {value}"
            );
        }
        text
    }
}
