//! An OpenAI-compatible server over a frozen model and tool packs, with a playground.
