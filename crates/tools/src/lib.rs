//! What a tool is, how it runs, and tool packs.
