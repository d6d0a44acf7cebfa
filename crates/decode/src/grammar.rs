//! A JSON schema as a mask over the vocabulary, so that what is written under it parses and validates.
//!
//! The work is llguidance's. JSON is written as Python's `json.dumps` does it, with one space after `:` and `,`: the form
//! in which chat templates show calls to their models.

use crate::closed::closed;
use crate::numbers::bounded;
use crate::schema::changed;
use llguidance::api::{StopReason, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use lm::Tokenizer;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Compiles schemas for one vocabulary, and keeps the last few: a request is checked before it waits, and compiled when its turn comes.
pub struct Grammars {
    factory: ParserFactory,
    /// By the schemas' texts.
    kept: Mutex<VecDeque<(String, Grammar)>>,
}

/// Compiled schemas that are kept.
const KEPT: usize = 128;

/// A compiled schema; cheap to clone.
#[derive(Clone)]
pub struct Grammar {
    matcher: Matcher,
    /// The schema as it is enforced, for an engine that enforces it elsewhere.
    pub(crate) schema: Arc<Value>,
}

/// A text under way that a schema constrains.
pub(crate) struct Constraint(Matcher);

impl Grammars {
    /// Grammars over a model's vocabulary. Building it takes a fraction of a second: share it.
    ///
    /// # Errors
    /// A vocabulary that llguidance cannot take, in words.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self, String> {
        let size = tokenizer.vocab_size() as u32;
        let ends = (0..size).find(|&id| tokenizer.ends_text(id));
        let eos = tokenizer.eos().or(ends).ok_or("the vocabulary has no token that ends a text")?;
        let word = |id: u32| {
            let bytes = tokenizer.token_bytes(id);
            match tokenizer.is_control(id) || tokenizer.ends_text(id) {
                true => [&[TokTrie::SPECIAL_TOKEN_MARKER], bytes].concat(), // never part of a text
                false => bytes.to_vec(),
            }
        };
        let words: Vec<Vec<u8>> = (0..size).map(word).collect();
        Self::over(Arc::new(ApproximateTokEnv::new(TokTrie::from(&TokRxInfo::new(size, eos), &words))))
    }

    /// Grammars over single bytes: enough to say whether a schema can be enforced, without a model.
    ///
    /// # Errors
    /// None are known.
    pub fn of_bytes() -> Result<Self, String> {
        Self::over(ApproximateTokEnv::single_byte_env())
    }

    fn over(environment: TokEnv) -> Result<Self, String> {
        let mut factory = ParserFactory::new_simple(&environment).map_err(|e| e.to_string())?;
        let limits = factory.quiet().limits_mut();
        limits.verbose_errors = false;
        // Objects of a thousand optional properties: each may be the next.
        (limits.max_items_in_row, limits.step_max_items) = (20_000, 500_000);
        (limits.initial_lexer_fuel, limits.step_lexer_fuel) = (10_000_000, 2_000_000);
        Ok(Self { factory, kept: Mutex::default() })
    }

    /// Compiles the schema of a tool's parameters: an object that lists its properties holds no others, unless the schema says
    /// that it may.
    ///
    /// # Errors
    /// As [`Grammars::compile`].
    pub fn compile_parameters(&self, parameters: &Value) -> Result<Grammar, String> {
        // Where closing leaves no value (a required property that is not among the listed), the schema is taken as it is.
        self.compile(&closed(parameters)).or_else(|_| self.compile(parameters))
    }

    /// Compiles a schema.
    ///
    /// `oneOf` is enforced as `anyOf`. Numbers without bounds are written between ±10^15 and without exponent. A `format` or keyword that cannot be enforced is an error, never ignored.
    ///
    /// # Errors
    /// What in the schema cannot be enforced.
    pub fn compile(&self, schema: &Value) -> Result<Grammar, String> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // As text: values are equal in whatever order their properties stand, and are written in that order.
        let text = schema.to_string();
        if let Some((_, grammar)) = kept().iter().find(|(known, _)| *known == text) {
            return Ok(grammar.clone());
        }
        let grammar = self.compiled(schema)?;
        let mut kept = kept();
        kept.truncate(KEPT - 1);
        kept.push_front((text, grammar.clone()));
        Ok(grammar)
    }

    fn compiled(&self, schema: &Value) -> Result<Grammar, String> {
        let enforced = bounded(&without_notes(schema));
        let mut schema = enforced.clone();
        if let Value::Object(object) = &mut schema {
            let options = json!({
                "item_separator": ", ", "key_separator": ": ", "whitespace_flexible": false, "coerce_one_of": true,
            });
            object.insert("x-guidance".to_owned(), options);
        }
        let in_a_line = |e: &str| e.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let parser = self.factory.create_parser(TopLevelGrammar::from_json_schema(schema));
        let mut matcher = Matcher::new(parser);
        match matcher.compute_mask() {
            Ok(mask) if mask.is_zero() => Err("no JSON value satisfies it".to_owned()),
            Ok(_) => {
                begins(&matcher)?;
                Ok(Grammar { matcher, schema: Arc::new(enforced) })
            }
            Err(e) => Err(in_a_line(&e.to_string())),
        }
    }
}

/// Whether the first words that are the only ones possible, as an object's opening, can be written: what is too large shows there.
fn begins(matcher: &Matcher) -> Result<(), String> {
    let mut trial = matcher.deep_clone();
    let forced = trial.compute_ff_bytes();
    let words = trial.tok_env().map_err(|e| e.to_string())?.tokenize_bytes(&forced);
    trial.consume_tokens(&words).map_err(|e| e.to_string())?;
    done(&trial)?;
    match trial.compute_mask_or_eos() {
        Ok(_) => done(&trial).map(drop),
        Err(e) => Err(e.to_string()),
    }
}

/// Whether what is written is complete.
///
/// # Errors
/// If it ended at a limit of the parser's.
fn done(matcher: &Matcher) -> Result<bool, String> {
    match matcher.stop_reason() {
        StopReason::NotStopped => Ok(false),
        StopReason::NoExtension | StopReason::NoExtensionBias | StopReason::EndOfSentence => Ok(true),
        limit => Err(format!("the schema is too large to be enforced ({limit:?})")),
    }
}

/// The schema without the keywords that constrain nothing and that llguidance may not know: `discriminator` of OpenAPI,
/// `nullable: false` and the like.
fn without_notes(schema: &Value) -> Value {
    const NOTES: [&str; 6] = ["discriminator", "xml", "externalDocs", "example", "deprecated", "x-guidance"];
    changed(schema, |object| object.retain(|key, _| !NOTES.contains(&key.as_str())))
}

impl Grammar {
    /// Whether a text, read byte by byte by a grammar of [`Grammars::of_bytes`], is what the schema allows.
    pub fn admits(&self, text: &str) -> bool {
        let mut matcher = self.matcher.deep_clone();
        let ids: Vec<u32> = text.bytes().map(u32::from).collect();
        matcher.consume_tokens(&ids).is_ok() && matcher.is_accepting().unwrap_or(false)
    }

    pub(crate) fn begin(&self) -> Constraint {
        Constraint(self.matcher.deep_clone())
    }
}

impl Constraint {
    /// Disables every word that the schema does not allow next.
    pub fn mask(&mut self, words: &mut [f32]) -> Result<(), String> {
        let mask = self.0.compute_mask_or_eos().map_err(|e| e.to_string())?;
        done(&self.0)?;
        for (id, score) in words.iter_mut().enumerate() {
            if id >= mask.len() || !mask.is_allowed(id as u32) {
                *score = f32::NEG_INFINITY;
            }
        }
        Ok(())
    }

    /// Takes a word; true if the value is then complete.
    pub fn push(&mut self, word: u32) -> Result<bool, String> {
        self.0.consume_token(word).map_err(|e| e.to_string())?;
        done(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(schema: Value) -> Result<Grammar, String> {
        Grammars::of_bytes().unwrap().compile(&schema)
    }

    #[test]
    fn a_schema_is_enforced_or_refused_however_large() {
        for count in [700, 3_000, 60_000] {
            let properties: serde_json::Map<String, Value> =
                (0..count).map(|i| (format!("p{i}"), json!({"type": "string"}))).collect();
            let schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
            match compile(schema) {
                Ok(grammar) => {
                    assert!(grammar.admits(&format!(r#"{{"p{}": "x"}}"#, count - 1)), "{count}");
                    assert!(!grammar.admits(&format!(r#"{{"p{count}": "x"}}"#)), "{count}");
                }
                Err(message) => {
                    assert!(count > 3_000, "{count}: {message}");
                    assert!(message.len() < 300, "{message}");
                }
            }
        }
    }

    /// Schemas that are equal but for the order of their properties are written in different orders.
    #[test]
    fn properties_are_written_in_the_schema_s_own_order() {
        let grammars = Grammars::of_bytes().unwrap();
        let one = |x: &str, y: &str| {
            let properties: serde_json::Map<String, Value> =
                [x, y].map(|name| (name.to_owned(), json!({"type": "integer"}))).into_iter().collect();
            grammars
                .compile(&json!({"type": "object", "properties": properties, "required": ["a", "b"]}))
                .unwrap()
        };
        for (x, y) in [("a", "b"), ("b", "a"), ("a", "b")] {
            let grammar = one(x, y);
            assert!(grammar.admits(&format!(r#"{{"{x}": 1, "{y}": 2}}"#)), "{x}, {y}");
            assert!(!grammar.admits(&format!(r#"{{"{y}": 1, "{x}": 2}}"#)), "{x}, {y}");
        }
    }

    #[test]
    fn an_error_says_all_of_what_is_wrong() {
        let error = compile(json!({"type": "string", "pattern": "(a"})).err().unwrap();
        assert!(error.contains("unclosed"), "{error}");
    }

    /// Hand-written values on both sides of every keyword that tools use.
    #[test]
    fn schemas_are_enforced_to_the_letter() {
        let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        let cases: Vec<(Value, &[&str], &[&str])> = vec![
            (
                object(json!({"a": {"enum": ["x", 1]}}), json!(["a"])),
                &[r#"{"a": "x"}"#, r#"{"a": 1}"#],
                &["{}", r#"{"a": "y"}"#, r#"{"a":"x"}"#],
            ),
            (
                object(json!({"a": {"type": "string"}, "b": {"type": "boolean"}}), json!(["b"])),
                &[r#"{"b": true}"#, r#"{"a": "q", "b": false}"#],
                &[r#"{"a": "q"}"#, r#"{"b": "true"}"#],
            ),
            (
                object(json!({"n": {"type": "integer", "minimum": 3, "maximum": 12}}), json!(["n"])),
                &[r#"{"n": 3}"#, r#"{"n": 12}"#],
                &[r#"{"n": 2}"#, r#"{"n": 13}"#, r#"{"n": 3.5}"#],
            ),
            (
                object(json!({"x": {"type": "number", "exclusiveMinimum": 0}}), json!(["x"])),
                &[r#"{"x": 0.5}"#],
                &[r#"{"x": 0}"#, r#"{"x": -1}"#],
            ),
            (
                object(
                    json!({"l": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2}}),
                    json!(["l"]),
                ),
                &[r#"{"l": ["a"]}"#, r#"{"l": ["a", "b"]}"#],
                &[r#"{"l": []}"#, r#"{"l": ["a", "b", "c"]}"#],
            ),
            (
                object(json!({"d": {"type": "string", "format": "date"}}), json!(["d"])),
                &[r#"{"d": "2024-02-29"}"#],
                &[r#"{"d": "tomorrow"}"#],
            ),
            (
                object(json!({"p": {"type": "string", "pattern": "^[A-Z]{2}[0-9]+$"}}), json!(["p"])),
                &[r#"{"p": "AB12"}"#],
                &[r#"{"p": "ab12"}"#],
            ),
            (
                object(json!({"s": {"type": "string", "maxLength": 2}}), json!(["s"])),
                &[r#"{"s": "ab"}"#],
                &[r#"{"s": "abc"}"#],
            ),
            (
                json!({"type": "object", "$defs": {"p": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"], "additionalProperties": false}}, "properties": {"at": {"$ref": "#/$defs/p"}}, "required": ["at"], "additionalProperties": false}),
                &[r#"{"at": {"lat": 1}}"#],
                &[r#"{"at": {}}"#],
            ),
            (
                object(json!({"v": {"anyOf": [{"type": "null"}, {"type": "integer"}]}}), json!(["v"])),
                &[r#"{"v": null}"#, r#"{"v": 7}"#],
                &[r#"{"v": "7"}"#],
            ),
        ];
        for (schema, good, bad) in cases {
            let grammar = compile(schema.clone()).unwrap_or_else(|e| panic!("{schema}: {e}"));
            good.iter().for_each(|text| assert!(grammar.admits(text), "{schema} refuses {text}"));
            bad.iter().for_each(|text| assert!(!grammar.admits(text), "{schema} admits {text}"));
        }
    }

    /// Many servers leave `additionalProperties` out; a call must still come to its end.
    #[test]
    fn parameters_hold_what_they_list_and_no_more() {
        let compile = |schema: Value| Grammars::of_bytes().unwrap().compile_parameters(&schema).unwrap();
        let grammar = compile(json!({"type": "object", "properties": {"a": {"type": "integer"}}}));
        assert!(grammar.admits("{}") && grammar.admits(r#"{"a": 1}"#) && !grammar.admits(r#"{"b": 1}"#));
        let long = format!("{{\"a\": 1{}}}", "0".repeat(30));
        assert!(!grammar.admits(&long), "digits come to an end, too");
        let grammar = compile(json!({"type": "object"}));
        assert!(grammar.admits("{}") && !grammar.admits(r#"{"b": 1}"#));
        let grammar = compile(json!({"type": "object", "properties": {"a": {}}, "required": ["b"]}));
        assert!(grammar.admits(r#"{"b": 1}"#), "a required property that is not listed");
        let grammar = compile(json!({"type": "object", "properties": {}, "additionalProperties": true}));
        assert!(grammar.admits(r#"{"b": 1}"#));
    }

    #[test]
    fn what_cannot_be_enforced_is_refused() {
        for schema in [
            json!({"type": "object", "properties": {"a": {"type": "string", "format": "made-up"}}}),
            json!({"type": "object", "properties": {"a": {"not": {"type": "string"}}}}),
            json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/missing"}}}),
            json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "(?<=x)y"}}}),
            json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 4, "maximum": 3}}, "required": ["a"]}),
        ] {
            assert!(compile(schema.clone()).is_err(), "{schema}");
        }
    }
}
