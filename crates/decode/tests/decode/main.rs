//! Dual-mode generation, driven by a scripted model.

mod batches;
mod calls;
mod elsewhere;
mod failures;
mod limits;
mod messages;
mod mock;
mod sessions;
mod traces;
