//! A checked collection of examples.

use crate::{CorpusError, Example, FaultKind, Place};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;

/// Examples without faults, and the tools that they call.
#[derive(Clone, Debug, PartialEq)]
pub struct Corpus {
    examples: Vec<Example>,
    tools: Vec<String>,
}

impl Corpus {
    /// A corpus whose tools stand in the order of their first use.
    ///
    /// # Errors
    /// The first fault of an example; two examples with one id.
    pub fn new(examples: Vec<Example>) -> Result<Self, CorpusError> {
        let mut tools = Vec::new();
        let mut known = HashMap::new();
        for call in examples.iter().flat_map(|example| &example.calls) {
            if known.insert(call.tool.as_str(), ()).is_none() {
                tools.push(call.tool.clone());
            }
        }
        Self::with_tools(examples, tools)
    }

    /// A corpus over tools that are given, in their order; some may have no calls.
    ///
    /// # Errors
    /// As [`Corpus::new`]; a tool named twice; a call to a tool that is not given.
    pub fn with_tools(examples: Vec<Example>, tools: Vec<String>) -> Result<Self, CorpusError> {
        let mut known = HashMap::new();
        for tool in &tools {
            if tool.is_empty() || known.insert(tool.as_str(), ()).is_some() {
                return Err(CorpusError::ToolNames(tool.clone()));
            }
        }
        let mut ids = HashMap::new();
        for (i, example) in examples.iter().enumerate() {
            let mut faults = example.faults();
            if let Some(first) = ids.insert(example.id.as_str(), i + 1) {
                faults.push((Place::Line(0), FaultKind::RepeatedId { id: example.id.clone(), first }));
            }
            if let Some((place, kind)) = faults.into_iter().next() {
                return Err(CorpusError::Example { id: example.id.clone(), place, kind });
            }
            if let Some(call) = example.calls.iter().find(|call| !known.contains_key(call.tool.as_str())) {
                let (id, tool) = (example.id.clone(), call.tool.clone());
                return Err(CorpusError::UnknownTool { id, tool, known: tools });
            }
        }
        Ok(Self { examples, tools })
    }

    /// The examples.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// The tools' names; a tool's index is its place here.
    pub fn tools(&self) -> &[String] {
        &self.tools
    }

    /// A tool's index.
    pub fn tool_index(&self, name: &str) -> Option<usize> {
        self.tools.iter().position(|tool| tool == name)
    }

    /// SHA-256, in hexadecimal, of the tools in their order and of every example as the file format writes it.
    ///
    /// It depends on content alone: not on a file's name, nor on how its JSON was spaced or escaped.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut line = |value: serde_json::Result<Vec<u8>>| {
            hash.update(value.expect("strings and numbers are always JSON"));
            hash.update(b"\n");
        };
        line(serde_json::to_vec(&self.tools));
        for example in &self.examples {
            line(serde_json::to_vec(example));
        }
        hex::encode(hash.finalize())
    }

    /// What there is, counted.
    pub fn summary(&self) -> Summary {
        let mut calls_of: Vec<(String, usize)> = self.tools.iter().map(|tool| (tool.clone(), 0)).collect();
        let index: HashMap<_, _> =
            self.tools.iter().enumerate().map(|(i, tool)| (tool.as_str(), i)).collect();
        let mut examples_with = Vec::new();
        for example in &self.examples {
            let n = example.calls.len();
            if examples_with.len() <= n {
                examples_with.resize(n + 1, 0);
            }
            examples_with[n] += 1;
            for call in &example.calls {
                calls_of[index[call.tool.as_str()]].1 += 1;
            }
        }
        Summary {
            examples: self.examples.len(),
            calls: calls_of.iter().map(|(_, n)| n).sum(),
            text_bytes: self.examples.iter().map(|example| example.text.len()).sum(),
            calls_of,
            examples_with,
        }
    }
}

/// A corpus in numbers.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Number of examples.
    pub examples: usize,
    /// Number of calls.
    pub calls: usize,
    /// Bytes of text, without ids and arguments.
    pub text_bytes: usize,
    /// Calls of each tool, in the tools' order.
    pub calls_of: Vec<(String, usize)>,
    /// How many examples have 0, 1, 2, … calls.
    pub examples_with: Vec<usize>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tools = self.calls_of.len();
        writeln!(
            f,
            "{} examples, {} calls of {tools} tools, {} bytes of text",
            self.examples, self.calls, self.text_bytes
        )?;
        for (n, examples) in self.examples_with.iter().enumerate().filter(|(_, examples)| **examples > 0) {
            writeln!(f, "{examples:8} with {n} {}", if n == 1 { "call" } else { "calls" })?;
        }
        for (tool, calls) in &self.calls_of {
            writeln!(f, "{calls:8} {tool}")?;
        }
        Ok(())
    }
}
