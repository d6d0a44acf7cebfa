//! Planning by tool tokens: an action, its objects, a line break, until `[END]`.
//!
//! Words have no say in a plan, so a decision is the best of the enabled tokens. Enabled are, as ToolkenGPT has it, the actions
//! but the last line's unless that was `[WALK]`, and the objects that are in the household; and what can stand at the place: an
//! action or the end, then as many objects as the action takes. Where the simulator is asked, only what it would carry out is;
//! where retrieval is, only what that ranks first.

use super::vocabulary::{Kind, Vocabulary};
use crate::BenchError;
use head::Head;
use lm::{FrozenLm, Sequence, Specials};
use tools::household::{Action, Home, Line, Thing};

/// Lines that count: ToolkenGPT scores the first eight.
pub const MOST_LINES: usize = 8;
/// Tokens that are chosen at most.
const MOST_TOKENS: usize = 48;

/// A plan as it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Its lines.
    pub lines: Vec<Line>,
    /// Whether it ended with `[END]`, and not at a cap.
    pub ended: bool,
    /// Tokens that were chosen.
    pub chosen: usize,
    /// Tokens of the prompt.
    pub prompt: usize,
}

/// A plan, and what of it is no line.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The plan up to the first line that is none.
    pub planned: Planned,
    /// That line, and why; or why there is no plan.
    pub unreadable: Option<String>,
}

impl Written {
    /// Why there is no plan where a prompt is longer than the context.
    pub(super) fn did_not_fit(len: usize, max: usize) -> String {
        format!("the prompt did not fit: {len} tokens, the model's context has {max}")
    }
}

/// What is to be planned.
pub struct Ask {
    /// The prompt, up to the plan.
    pub prompt: String,
    /// The household at its start.
    pub home: Home,
    /// The tokens that may be used, by row ([`Vocabulary::first`]); all of them if not said.
    pub among: Option<Vec<bool>>,
}

/// Plans with a head.
pub struct Planner<'a> {
    /// The model.
    pub lm: &'a dyn FrozenLm,
    /// The head; its rows are the vocabulary's tokens.
    pub head: &'a Head,
    /// The tokens.
    pub vocabulary: &'a Vocabulary,
    /// Whether the simulator says which lines are enabled.
    pub simulator: bool,
}

impl Planner<'_> {
    /// Plans for several households at once; each comes out as it would by itself. One that outgrows the model's context ends
    /// there, and says so.
    ///
    /// # Errors
    /// The model's; a head of other tokens.
    pub fn plan(&self, asks: Vec<Ask>) -> Result<Vec<Written>, BenchError> {
        if self.head.tools != self.vocabulary.names() {
            return Err(BenchError::Setting(
                "the head's rows are not the household's tokens: fit it anew".into(),
            ));
        }
        let mut plans = Vec::with_capacity(asks.len());
        for ask in asks {
            plans.push(self.begin(ask)?);
        }
        loop {
            for plan in &mut plans {
                let (len, max) = (plan.sequence.ids().len() + plan.pending.len(), self.lm.card().context);
                if len > max {
                    plan.unreadable = Some(Written::did_not_fit(len, max));
                    plan.pending.clear();
                }
            }
            let mut open: Vec<&mut Plan> = plans.iter_mut().filter(|plan| !plan.pending.is_empty()).collect();
            if open.is_empty() {
                break;
            }
            let mut batch: Vec<(&mut Sequence, &[u32])> =
                open.iter_mut().map(|plan| (&mut plan.sequence, plan.pending.as_slice())).collect();
            let states = self.lm.extend(&mut batch)?;
            drop(batch);
            let mut end = 0;
            for plan in open {
                end += plan.pending.len();
                plan.pending.clear();
                self.decide(plan, &self.head.logits(states.row(end - 1)))?;
            }
        }
        let done = |plan: Plan| Written {
            planned: Planned {
                lines: plan.lines,
                ended: plan.ended,
                chosen: plan.chosen,
                prompt: plan.prompt,
            },
            unreadable: plan.unreadable,
        };
        Ok(plans.into_iter().map(done).collect())
    }

    fn begin(&self, ask: Ask) -> Result<Plan, BenchError> {
        let tokenizer = self.lm.tokenizer();
        let start = tokenizer.bos().or(tokenizer.eos());
        let mut pending: Vec<u32> = start.into_iter().collect();
        pending.extend(tokenizer.encode(&ask.prompt, Specials::Text)?);
        let there = |kind: &Kind| !matches!(kind, Kind::Object(name) if !ask.home.has(name));
        let among = ask.among.unwrap_or_else(|| vec![true; self.vocabulary.kinds().len()]);
        let open =
            self.vocabulary.kinds().iter().zip(among).map(|(kind, among)| among && there(kind)).collect();
        let (sequence, prompt) = (self.lm.begin(), pending.len());
        Ok(Plan {
            sequence,
            pending,
            home: ask.home,
            open,
            action: None,
            things: Vec::new(),
            lines: Vec::new(),
            ended: false,
            unreadable: None,
            chosen: 0,
            prompt,
        })
    }

    /// Chooses the next token, and puts down what is to be read for the decision after it.
    fn decide(&self, plan: &mut Plan, logits: &[f32]) -> Result<(), BenchError> {
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        let chosen = order.into_iter().find(|&row| self.enabled(plan, row));
        let Some(row) = chosen.filter(|_| plan.chosen < MOST_TOKENS) else { return Ok(()) };
        plan.chosen += 1;
        match &self.vocabulary.kinds()[row] {
            Kind::End => {
                plan.ended = true;
                return Ok(());
            }
            Kind::Action(action) => {
                plan.action = Some(*action);
                self.put(plan, &format!("[{}]", action.name()))?;
            }
            Kind::Object(name) => {
                plan.things.push(Thing::first(name));
                self.put(plan, &format!(" <{name}>"))?;
            }
        }
        let Some(action) = plan.action.filter(|action| action.arity() == plan.things.len()) else {
            return Ok(());
        };
        let things = std::mem::take(&mut plan.things);
        plan.action = None;
        let line = Line::new(action, things).map_err(|e| BenchError::Setting(e.to_string()))?;
        if self.simulator {
            plan.home.step(&line);
        }
        plan.lines.push(line);
        if plan.lines.len() == MOST_LINES {
            plan.pending.clear();
            return Ok(());
        }
        self.put(plan, "\n")
    }

    fn put(&self, plan: &mut Plan, text: &str) -> Result<(), BenchError> {
        plan.pending.extend(self.lm.tokenizer().encode_continuation(text, Specials::Text)?);
        Ok(())
    }

    fn enabled(&self, plan: &Plan, row: usize) -> bool {
        match (&self.vocabulary.kinds()[row], plan.action) {
            (Kind::End, None) => true,
            (Kind::Action(action), None) => {
                let again =
                    *action != Action::Walk && plan.lines.last().is_some_and(|line| line.action() == *action);
                let objects = self.vocabulary.kinds().iter().zip(&plan.open);
                let objects =
                    objects.filter(|(kind, open)| **open && matches!(kind, Kind::Object(_))).count();
                plan.open[row]
                    && !again
                    && objects >= action.arity().min(1)
                    && (!self.simulator || self.can_follow(plan, *action, &[]))
            }
            (Kind::Object(name), Some(action)) => {
                let mut things = plan.things.clone();
                things.push(Thing::first(name));
                plan.open[row] && (!self.simulator || self.can_follow(plan, action, &things))
            }
            _ => false,
        }
    }

    /// Whether some line that begins so would be carried out.
    fn can_follow(&self, plan: &Plan, action: Action, things: &[Thing]) -> bool {
        if things.len() == action.arity() {
            return Line::new(action, things.to_vec()).is_ok_and(|line| plan.home.allows(&line));
        }
        let searches = matches!(action, Action::Walk | Action::Run | Action::Find);
        self.vocabulary.kinds().iter().zip(&plan.open).any(|(kind, open)| {
            let Kind::Object(name) = kind else { return false };
            let thing = Thing::first(name);
            // Other actions know only what has been found: most objects need no trial.
            if !open || !(searches || plan.home.found(&thing).is_some()) {
                return false;
            }
            let mut things = things.to_vec();
            things.push(thing);
            self.can_follow(plan, action, &things)
        })
    }
}

/// A plan in the making.
struct Plan {
    sequence: Sequence,
    /// Tokens to be read before the next decision; none when it is done.
    pending: Vec<u32>,
    home: Home,
    /// By row: a token that may be used, of the objects one that is there.
    open: Vec<bool>,
    action: Option<Action>,
    things: Vec<Thing>,
    lines: Vec<Line>,
    ended: bool,
    unreadable: Option<String>,
    chosen: usize,
    prompt: usize,
}
