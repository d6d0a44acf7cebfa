//! What the process answers to whoever started it.

use ::bench::BenchError;
use ::corpus::CorpusError;
use ::corpus::import::ImportError;
use ::engine::EngineError;
use ::export::ExportError;
use ::head::HeadError;
use ::tools::PackError;
use ::tools::household::HomeError;
use decode::DecodeError;
use lm::LmError;
use std::io;
use std::process::ExitCode;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done = 0,
    /// 1: the system, the network or a computation failed.
    Failed = 1,
    /// 2: the command line or what a file holds is wrong, and trying again will not help.
    BadInput = 2,
}

impl Exit {
    /// The code for an error, by the library's error in its chain.
    pub fn of(error: &anyhow::Error) -> Self {
        // What this program says in words of its own, without a library's error below it, is about what it was told to do.
        let own = error.chain().count() == 1 && (error.is::<String>() || error.is::<&'static str>());
        if own || error.chain().any(is_about_input) { Self::BadInput } else { Self::Failed }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Whether an error says that a file's content, not the system, is at fault.
fn is_about_input(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<LmError>() {
        !matches!(error, LmError::Io { .. } | LmError::Compute(_) | LmError::Engine(_))
    } else if let Some(error) = error.downcast_ref::<CorpusError>() {
        !matches!(error, CorpusError::Io { .. })
    } else if let Some(error) = error.downcast_ref::<ImportError<LmError>>() {
        matches!(error, ImportError::Layout { .. } | ImportError::Corpus(_))
    } else if let Some(error) = error.downcast_ref::<ImportError<std::convert::Infallible>>() {
        matches!(error, ImportError::Layout { .. } | ImportError::Corpus(_))
    } else if let Some(error) = error.downcast_ref::<HeadError>() {
        // A model's error stands for itself: it is transparent, so the chain does not show it.
        match error {
            HeadError::Io { .. } => false,
            HeadError::Model(error) => is_about_input(error),
            _ => true,
        }
    } else if let Some(error) = error.downcast_ref::<DecodeError>() {
        match error {
            DecodeError::Lm(error) => is_about_input(error),
            DecodeError::NoWord { .. } | DecodeError::Unfinished { .. } | DecodeError::Engine { .. } => false,
            _ => true,
        }
    } else if let Some(error) = error.downcast_ref::<BenchError>() {
        match error {
            BenchError::Io { .. } => false,
            BenchError::Lm(error) => is_about_input(error),
            BenchError::Head(error) => is_about_input(error),
            BenchError::Decode(error) => is_about_input(error),
            BenchError::Corpus(error) => is_about_input(error),
            BenchError::Home(error) => is_about_input(error),
            _ => true,
        }
    } else if let Some(error) = error.downcast_ref::<::pack::FitError>() {
        match error {
            ::pack::FitError::Io { source, .. } => source.kind() == io::ErrorKind::InvalidData, // no UTF-8
            ::pack::FitError::Model(error) => is_about_input(error),
            ::pack::FitError::Head(error) => is_about_input(error),
            ::pack::FitError::Decode(error) => is_about_input(error),
            ::pack::FitError::Pack(error) => is_about_input(error),
            ::pack::FitError::File { .. } | ::pack::FitError::Input(_) => true,
        }
    } else if let Some(error) = error.downcast_ref::<ExportError>() {
        match error {
            ExportError::Io { .. } | ExportError::Compute(_) => false,
            ExportError::Model(error) => is_about_input(error),
            ExportError::Head(error) => is_about_input(error),
            _ => true,
        }
    } else if let Some(error) = error.downcast_ref::<EngineError>() {
        match error {
            EngineError::Unusable { .. } => false,
            EngineError::Model(error) => is_about_input(error),
            EngineError::OtherModel { .. } => true,
        }
    } else if let Some(error) = error.downcast_ref::<PackError>() {
        !matches!(error, PackError::Io { .. })
    } else if let Some(error) = error.downcast_ref::<HomeError>() {
        !matches!(error, HomeError::Io { .. })
    } else if let Some(error) = error.downcast_ref::<::serve::ServeError>() {
        !matches!(error, ::serve::ServeError::Io { .. })
    } else if let Some(error) = error.downcast_ref::<io::Error>() {
        error.kind() == io::ErrorKind::InvalidData // no UTF-8
    } else {
        error.is::<::corpus::arithmetic::Exhausted>() || error.is::<serde_json::Error>()
    }
}
