//! The tool tokens of plans: actions, objects, and the end.

use crate::BenchError;
use std::collections::BTreeSet;
use tools::household::{Action, Home, HomeTask, parse_line};
use tools::{Tool, ToolSet};

/// The token that ends a plan.
pub const END: &str = "[END]";

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An action.
    Action(Action),
    /// A class of things.
    Object(String),
    /// The end of a plan.
    End,
}

/// The tokens, in the order of a head's rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabulary {
    tools: ToolSet,
    kinds: Vec<Kind>,
}

impl Vocabulary {
    /// Tokens of these names: `[WALK]`, `<chair>`, `[END]`.
    ///
    /// # Errors
    /// A name that is none of the three, or that occurs twice.
    pub fn new(names: &[String]) -> Result<Self, BenchError> {
        let mut kinds = Vec::with_capacity(names.len());
        for name in names {
            let unknown = || {
                BenchError::Setting(format!(
                    "the token `{name}` is no [ACTION] of the simulator, no <object> and not {END}"
                ))
            };
            let inside =
                |open: char, close: char| name.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
            kinds.push(match (inside('[', ']'), inside('<', '>')) {
                _ if name == END => Kind::End,
                (Some(action), _) => Kind::Action(Action::of_name(action).ok_or_else(unknown)?),
                (None, Some(object)) if !object.is_empty() => Kind::Object(object.to_owned()),
                _ => return Err(unknown()),
            });
        }
        if !kinds.contains(&Kind::End) {
            return Err(BenchError::Setting(format!("the tokens lack {END}: plans would not end")));
        }
        let tools = names.iter().zip(&kinds).map(|(name, kind)| Tool::literal(name, description(kind)));
        Ok(Self { tools: ToolSet::new(tools.collect())?, kinds })
    }

    /// Every action and object of the tasks' scripts, in alphabetical order, and the end.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_tasks(tasks: &[HomeTask]) -> Result<Self, BenchError> {
        let lines = tasks.iter().flat_map(|task| &task.script).filter_map(|line| parse_line(line).ok());
        let (mut actions, mut objects) = (BTreeSet::new(), BTreeSet::new());
        for line in lines {
            actions.insert(format!("[{}]", line.action().name()));
            objects.extend(line.things().iter().map(|thing| format!("<{}>", thing.name)));
        }
        let names: Vec<String> = actions.into_iter().chain(objects).chain([END.to_owned()]).collect();
        Self::new(&names)
    }

    /// The first k actions of a ranking of rows, the first k of its objects that are in a household, and the end: by
    /// row, whether it is one of these.
    pub fn first(&self, ranking: &[usize], k: usize, home: &Home) -> Vec<bool> {
        let mut first: Vec<bool> = self.kinds.iter().map(|kind| *kind == Kind::End).collect();
        let rows = || ranking.iter().copied();
        let action = |row: &usize| matches!(self.kinds[*row], Kind::Action(_));
        let object = |row: &usize| matches!(&self.kinds[*row], Kind::Object(name) if home.has(name));
        rows().filter(action).take(k).chain(rows().filter(object).take(k)).for_each(|row| first[row] = true);
        first
    }

    /// The tokens as tools.
    pub fn tools(&self) -> &ToolSet {
        &self.tools
    }

    /// Their names, in order.
    pub fn names(&self) -> Vec<String> {
        self.tools.names().map(str::to_owned).collect()
    }

    /// What each is, in order.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Whether every action and thing of a script is a token.
    pub fn covers(&self, script: &[String]) -> bool {
        script.iter().all(|line| {
            parse_line(line).is_ok_and(|line| {
                self.tools.index(&format!("[{}]", line.action().name())).is_some()
                    && line
                        .things()
                        .iter()
                        .all(|thing| self.tools.index(&format!("<{}>", thing.name)).is_some())
            })
        })
    }
}

/// What a token means, for priors.
fn description(kind: &Kind) -> String {
    use Action as A;
    let text = match kind {
        Kind::End => "the plan is complete",
        Kind::Object(name) => return format!("{}, a thing or place in the house", name.replace('_', " ")),
        Kind::Action(action) => match action {
            A::Close => "close something that is open",
            A::Cut => "cut food with a knife",
            A::Drink => "drink something",
            A::Drop => "let go of what is held",
            A::Eat => "eat food",
            A::Find => "look for something and go to it",
            A::Grab => "take something into the hand",
            A::Greet => "greet a person",
            A::Lie => "lie down on something",
            A::LookAt | A::LookAtLong | A::LookAtShort => "look at something",
            A::Move => "move something to another place",
            A::Open => "open something that is closed",
            A::PlugIn => "plug a device into the power",
            A::PlugOut => "pull the plug of a device",
            A::PointAt => "point at something",
            A::Pour => "pour a liquid into a vessel",
            A::Pull => "pull something",
            A::Push => "push something",
            A::PutBack => "put what is held onto something",
            A::PutIn => "put what is held into something",
            A::PutObjBack => "put what is held back where it was",
            A::PutOff => "take off clothes",
            A::PutOn => "put on clothes",
            A::Read => "read something",
            A::Release => "release what is held",
            A::Rinse => "rinse something with water",
            A::Run => "run to a room or a thing",
            A::Scrub => "scrub something clean",
            A::Sit => "sit down on something",
            A::Sleep => "sleep",
            A::Squeeze => "squeeze something",
            A::StandUp => "stand up",
            A::SwitchOff => "turn a device off",
            A::SwitchOn => "turn a device on",
            A::Touch => "touch something",
            A::TurnTo => "turn the face towards something",
            A::Type => "type on a keyboard",
            A::WakeUp => "wake up",
            A::Walk => "walk to a room or a thing",
            A::Wash => "wash something",
            A::Watch => "watch something",
            A::Wipe => "wipe something clean",
        },
    };
    text.to_owned()
}
