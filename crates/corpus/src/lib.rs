//! Text with tool calls: format, importers, label rules, generators.
//!
//! This crate owns what an annotated text is and what each of its tokens is trained to predict. It knows nothing of
//! models: whoever calls [`label`] or an importer brings the tokenizer as a closure.
//!
//! - [`Example`] is a text and its [`Call`]s, [`Corpus`] a checked collection of them, with a digest.
//! - [`read`], [`write`](fn@write) and [`check`] speak the file format, one JSON object a line.
//! - [`label`] turns an example into token ids and a [`Label`] for every position.
//! - [`import`] reads other people's layouts, [`arithmetic`] writes word problems of our own.
//!
//! ```
//! use corpus::{Call, Corpus, Ends, Example, Label, label};
//! # use toolken_corpus as corpus;
//!
//! let text = "7 mod 4 = 3.".to_owned();
//! let call = Call { tool: "remainder".to_owned(), start: 10, end: 11, args: Some("7, 4".to_owned()) };
//! let corpus = Corpus::new(vec![Example { id: "one".to_owned(), text, calls: vec![call], ..Example::default() }])?;
//!
//! // A tokenizer of single bytes, with 256 to open a text and 257 to end it.
//! let bytes = |text: &str, _| Ok::<_, std::convert::Infallible>(text.bytes().map(u32::from).collect());
//! let ends = Ends { bos: Some(256), eos: Some(257) };
//! let labelled = label(&corpus.examples()[0], |tool| corpus.tool_index(tool), bytes, ends)?;
//! assert_eq!(labelled.labels[10], Label::Tool(0)); // the space before the 3 belongs to the call
//! assert_eq!(labelled.labels[11], Label::None); // the 3 itself is the tool's to write
//! assert_eq!(labelled.labels[12], Label::Word(u32::from(b'.')));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod arithmetic;
mod error;
mod example;
mod fault;
pub mod import;
mod jsonl;
mod label;
mod set;

pub use error::CorpusError;
pub use example::{Call, Example};
pub use fault::{Fault, FaultKind, Place};
pub use jsonl::{Findings, MAX_LINE_BYTES, check, read, write};
pub use label::{CallFault, Ends, Label, LabelError, Labelled, Piece, Segment, label};
pub use set::{Corpus, Summary};
