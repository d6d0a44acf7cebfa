//! Questions answered by a method, many at a time.
//!
//! The questions of a batch decode together, what their prompts share is computed once, and each comes out as it would by
//! itself.

use crate::BenchError;
use crate::method::{Among, Method};
use crate::retrieve::Ranker;
use crate::score::Scoring;
use crate::task::{Question, Task};
use crate::turns::Turns;
use crate::written::{CallMade, Form};
use decode::{
    Arguments, Calling, Counts, Decision, Engine, Event, Finish, Generation, Prompt, Request, Served,
    Settings,
};
use head::{Head, ToolText};
use lm::{Chat, ChatTemplate, FrozenLm, Message};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::Instant;
use tools::{Tool, ToolSet};

/// What the lines begin with in which ReAct's tool tokens stand; its thoughts are words.
const ACTION: &str = "Action:";

/// Turns of one question in function calling.
const MOST_TURNS: usize = 8;

/// What a model is told that calls functions. How to end it is told when it calls no more, lest it end at once.
const CALL_FIRST: &str =
    "Call a function for whatever has to be calculated or looked up; answer when you have what you need.";

/// How a question was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// What the model wrote, with the results that were put in.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// Every call, in order, failed ones too.
    pub calls: Vec<CallMade>,
    /// Tools as retrieval ranked them, where it did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranked: Vec<String>,
    /// What it cost in tokens.
    pub tokens: Counts,
    /// Wall time since the answer before it in microseconds: questions are answered together, and their mean is what one takes.
    /// 0 in runs that did not measure it so.
    #[serde(default)]
    pub took_micros: u64,
    /// Decisions between words and tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
}

/// Answers a task's questions by one method.
pub struct Answerer<'a> {
    /// The model.
    pub lm: &'a dyn FrozenLm,
    /// The task.
    pub task: &'a Task,
    /// The method.
    pub method: Method,
    /// The head of a method with tool tokens.
    pub head: Option<&'a Head>,
    /// The bias on tools; the head's own if not given.
    pub bias: Option<f32>,
    /// Where the arguments of tool tokens are written.
    pub arguments: Arguments,
    /// Questions that decode together.
    pub batch: NonZeroUsize,
    /// The engine that generates in the model's stead, if one does.
    pub served: Option<Served>,
}

/// Hears of a question, by its place, when it is answered.
pub type OnAnswer<'f> = dyn FnMut(usize, Answered) -> Result<(), BenchError> + 'f;

impl Answerer<'_> {
    /// Answers the questions, telling of each as it is done, in whatever order that is.
    ///
    /// # Errors
    /// If the method needs a head and has none, does not go with the task or the model, or the model fails; the first error of
    /// `done`.
    pub fn answer(&self, questions: &[Question], done: &mut OnAnswer<'_>) -> Result<(), BenchError> {
        let mut last = Instant::now();
        let done: &mut OnAnswer<'_> = &mut |i, answered| {
            let took_micros = last.elapsed().as_micros() as u64;
            last = Instant::now();
            done(i, Answered { took_micros, ..answered })
        };
        let ranked = self.ranked(questions)?;
        match self.method {
            Method::FunctionCalling => self.in_turns(questions, done),
            Method::ToolTokens { .. } => {
                let head = self
                    .head
                    .ok_or_else(|| BenchError::Setting(format!("the method {} needs a head", self.method)))?;
                let demos = self.task.prompts.by_tool().clone();
                let engine = Engine::new(self.lm, head, &self.task.tools)?;
                let engine = if self.arguments == Arguments::Demos { engine.demos(demos)? } else { engine };
                self.generate(self.placed(engine)?, questions, &ranked, done)
            }
            _ => {
                let engine = self.placed(Engine::words_only(self.lm))?;
                self.generate(engine, questions, &ranked, done)
            }
        }
    }

    /// The engine, where it generates.
    fn placed<'e>(&self, engine: Engine<'e>) -> Result<Engine<'e>, BenchError> {
        match &self.served {
            Some(served) => Ok(engine.served_by(served.clone())?),
            None => Ok(engine),
        }
    }

    /// Each question's tools as retrieval ranks them; nothing for methods without retrieval.
    fn ranked(&self, questions: &[Question]) -> Result<Vec<Vec<String>>, BenchError> {
        let Some(by) = self.method.retriever() else {
            return Ok(vec![Vec::new(); questions.len()]);
        };
        let ranker = Ranker::new(by, &self.task.tools, self.lm)?;
        let names: Vec<&str> = self.task.tools.names().collect();
        let ranked = |question: &Question| -> Result<Vec<String>, BenchError> {
            Ok(ranker.rank(&question.text)?.into_iter().map(|at| names[at].to_owned()).collect())
        };
        questions.iter().map(ranked).collect()
    }

    fn generate(
        &self,
        engine: Engine<'_>,
        questions: &[Question],
        ranked: &[Vec<String>],
        done: &mut OnAnswer<'_>,
    ) -> Result<(), BenchError> {
        let requests = (questions.iter().zip(ranked))
            .map(|(question, ranked)| self.request(question, ranked))
            .collect::<Result<Vec<_>, _>>()?;
        let mut failed = None;
        engine.batch(self.batch).run_with(&requests, &mut |request, event| {
            if let Event::Done(generation) = event
                && failed.is_none()
            {
                let answered = self.answered(&generation, &ranked[request]);
                failed = answered.and_then(|answered| done(request, answered)).err();
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// What is asked of the engine for one question.
    fn request(&self, question: &Question, ranked: &[String]) -> Result<Request, BenchError> {
        let (prompts, text) = (&self.task.prompts, question.text.as_str());
        let step = vec!["\n\n".to_owned(), "\nQ:".to_owned(), "\nQuestion:".to_owned()];
        let line = vec!["\n".to_owned()];
        let (prompt, stop) = match self.method {
            // A chat template's answer ends by itself, and may have paragraphs.
            Method::ZeroShot => match self.alone(text)? {
                prompt @ Prompt::Rendered(_) => (prompt, Vec::new()),
                prompt => (prompt, step),
            },
            Method::ChainOfThought | Method::ToolTokens { react: false, .. } => {
                (Prompt::Raw(prompts.plain(text)), line)
            }
            Method::InContext => (Prompt::Raw(prompts.with_calls(text)), line),
            Method::Described => (Prompt::Raw(prompts.with_descriptions(text)?), line),
            Method::Retrieved(_) => {
                let tool = ranked.first().map_or("", String::as_str);
                (Prompt::Raw(prompts.with_calls_of(tool, text, self.task.scoring.mark())), line)
            }
            Method::React => (Prompt::Raw(prompts.react(text)), step),
            Method::ToolTokens { react: true, .. } => (Prompt::Raw(prompts.react_with_tokens(text)), step),
            Method::FunctionCalling => {
                return Err(BenchError::Setting("function calling goes in turns".into()));
            }
        };
        let insert =
            self.form().map(|form| self.callable(ranked).map(|tools| form.insert(&tools))).transpose()?;
        let steps = matches!(self.method, Method::React | Method::ToolTokens { react: true, .. });
        let disabled_tools = match self.method {
            Method::ToolTokens { among: Some(Among { k, .. }), .. } => {
                ranked.iter().skip(k).cloned().collect()
            }
            _ => Vec::new(),
        };
        let tokens = matches!(self.method, Method::ToolTokens { .. });
        Ok(Request {
            question: Some(text.to_owned()),
            disabled_tools,
            insert,
            settings: Settings {
                calling: if tokens { self.task.calling() } else { Calling::Off },
                in_lines: (tokens && steps).then(|| ACTION.to_owned()),
                // After the answer a step would begin anew.
                last_line: self.task.scoring.mark().filter(|_| steps).map(str::to_owned),
                arguments: self.arguments,
                bias: self.bias,
                max_tokens: if tokens && self.task.calling() == Calling::Force {
                    1
                } else {
                    self.max_tokens()
                },
                stop,
                ..Settings::default()
            },
            ..Request::new(prompt)
        })
    }

    /// Thoughts and actions take more words than plain answers, and so does whoever was shown none.
    fn max_tokens(&self) -> usize {
        match self.method {
            Method::React | Method::ToolTokens { react: true, .. } | Method::ZeroShot => {
                self.task.max_tokens * 3
            }
            _ => self.task.max_tokens,
        }
    }

    /// How calls in words look, for methods that have them.
    fn form(&self) -> Option<Form> {
        match self.method {
            Method::InContext | Method::Described | Method::Retrieved(_) => Some(Form::InLine),
            Method::React => Some(Form::Action),
            _ => None,
        }
    }

    /// The tools that calls in words may name: of a tool that retrieval has chosen, it alone.
    fn callable(&self, ranked: &[String]) -> Result<Cow<'_, ToolSet>, BenchError> {
        let chosen = ranked.first().filter(|_| matches!(self.method, Method::Retrieved(_)));
        match chosen.and_then(|name| self.task.tools.by_name(name)) {
            Some(tool) => Ok(Cow::Owned(ToolSet::new(vec![tool.clone()])?)),
            None => Ok(Cow::Borrowed(&self.task.tools)),
        }
    }

    fn answered(&self, generation: &Generation, ranked: &[String]) -> Result<Answered, BenchError> {
        let calls = match self.form() {
            Some(form) => form.calls(&*self.callable(ranked)?, &generation.text),
            None => {
                let attempts = generation.decisions.iter().flat_map(|decision| &decision.attempts);
                attempts
                    .map(|attempt| CallMade {
                        tool: attempt.tool.clone(),
                        arguments: attempt.arguments.clone(),
                        result: attempt.outcome.result().map(str::to_owned),
                        error: attempt.outcome.error().map(str::to_owned),
                    })
                    .collect()
            }
        };
        Ok(Answered {
            text: generation.text.clone(),
            finish: generation.finish.clone(),
            calls,
            ranked: ranked.to_vec(),
            tokens: generation.tokens,
            took_micros: 0,
            decisions: generation.decisions.clone(),
        })
    }

    /// The question without worked answers: through the model's chat template where it has one.
    fn alone(&self, question: &str) -> Result<Prompt, BenchError> {
        let instruction = self.task.prompts.instruction();
        if self.lm.tokenizer().chat_template().is_none() {
            return Ok(Prompt::Raw(format!("{instruction}\n\nQuestion: {question}\nAnswer:")));
        }
        let messages = [Message::user(format!("{instruction}\n\n{question}"))];
        Ok(Prompt::Rendered(ChatTemplate::of(self.lm.tokenizer())?.render(&Chat::turn(&messages))?))
    }

    /// Function calling, in turns.
    fn in_turns(&self, questions: &[Question], done: &mut OnAnswer<'_>) -> Result<(), BenchError> {
        let native = self.native()?;
        let turns = Turns {
            lm: self.lm,
            tools: &native,
            closing: self.task.prompts.instruction(),
            max_tokens: match self.task.scoring {
                // A call in JSON takes more words than the answer.
                Scoring::Relation => self.task.max_tokens * 3,
                Scoring::Number { .. } | Scoring::Ending => self.task.max_tokens,
            },
            most: MOST_TURNS,
            repeats_end: true,
            batch: self.batch,
            served: self.served.clone(),
        };
        let first: Vec<String> =
            questions.iter().map(|question| format!("{CALL_FIRST}\n\n{}", question.text)).collect();
        turns.answer(&first, &mut |i, mut answered| {
            self.by_own_names(&mut answered.calls, &native);
            done(i, answered)
        })
    }

    /// The tools as the API's users would name them, in the task's order. A relation's id says nothing, so it goes by the name
    /// that its description gives it, with the id behind where several have that name.
    fn native(&self) -> Result<ToolSet, BenchError> {
        let (mut once, mut again) = (BTreeSet::new(), BTreeSet::new());
        for text in &self.task.texts {
            if !once.insert(text.name.as_str()) {
                again.insert(text.name.as_str());
            }
        }
        let named = |(tool, text): (&Tool, &ToolText)| Tool {
            name: match again.contains(text.name.as_str()) {
                true => format!("{}_{}", text.name, tool.name),
                false => text.name.clone(),
            },
            description: text.description.clone(),
            ..tool.clone()
        };
        Ok(ToolSet::new(self.task.tools.iter().zip(&self.task.texts).map(named).collect())?)
    }

    /// Calls of native tools under the names that the task's tools have.
    fn by_own_names(&self, calls: &mut [CallMade], native: &ToolSet) {
        let names: BTreeMap<&str, &str> = native.names().zip(self.task.tools.names()).collect();
        for call in calls {
            if let Some(name) = names.get(call.tool.as_str()) {
                call.tool = (*name).to_owned();
            }
        }
    }
}
