//! Dual-mode generation: words and tool calls.
