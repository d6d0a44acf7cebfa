//! Scripts: one line an action, with the things that it is done to.

use super::scene::NodeId;
use std::fmt;

macro_rules! actions {
    ($($variant:ident = $name:literal, $count:literal;)*) => {
        /// An action.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action {
            $(#[doc = concat!("`[", $name, "]`, of ", stringify!($count), " things")] $variant,)*
        }

        impl Action {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in scripts, in capitals.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How many things it is done to.
            pub fn arity(self) -> usize {
                match self { $(Self::$variant => $count,)* }
            }
        }
    };
}

actions! {
    Close = "CLOSE", 1;
    Cut = "CUT", 1;
    Drink = "DRINK", 1;
    Drop = "DROP", 1;
    Eat = "EAT", 1;
    Find = "FIND", 1;
    Grab = "GRAB", 1;
    Greet = "GREET", 1;
    Lie = "LIE", 1;
    LookAt = "LOOKAT", 1;
    LookAtLong = "LOOKAT_LONG", 1;
    LookAtShort = "LOOKAT_SHORT", 1;
    Move = "MOVE", 1;
    Open = "OPEN", 1;
    PlugIn = "PLUGIN", 1;
    PlugOut = "PLUGOUT", 1;
    PointAt = "POINTAT", 1;
    Pour = "POUR", 2;
    Pull = "PULL", 1;
    Push = "PUSH", 1;
    PutBack = "PUTBACK", 2;
    PutIn = "PUTIN", 2;
    PutObjBack = "PUTOBJBACK", 1;
    PutOff = "PUTOFF", 1;
    PutOn = "PUTON", 1;
    Read = "READ", 1;
    Release = "RELEASE", 1;
    Rinse = "RINSE", 1;
    Run = "RUN", 1;
    Scrub = "SCRUB", 1;
    Sit = "SIT", 1;
    Sleep = "SLEEP", 0;
    Squeeze = "SQUEEZE", 1;
    StandUp = "STANDUP", 0;
    SwitchOff = "SWITCHOFF", 1;
    SwitchOn = "SWITCHON", 1;
    Touch = "TOUCH", 1;
    TurnTo = "TURNTO", 1;
    Type = "TYPE", 1;
    WakeUp = "WAKEUP", 0;
    Walk = "WALK", 1;
    Wash = "WASH", 1;
    Watch = "WATCH", 1;
    Wipe = "WIPE", 1;
}

impl Action {
    /// The action of a name in capitals.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = if name == "LOOKAT_MEDIUM" { "LOOKAT" } else { name };
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }
}

/// A thing in a script: `<chair> (1)`, the first chair that the script speaks of; or `<chair> (1.103)`, which also tells
/// which node that was when the script was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Thing {
    /// Its class, in lower case with underscores.
    pub name: String,
    /// Which of the things of that class, as the script counts them.
    pub instance: i64,
    /// The node, where the script tells; it is not looked at when the script runs.
    pub recorded: Option<NodeId>,
}

impl Thing {
    /// The first thing of a class that a script speaks of.
    pub fn first(name: impl Into<String>) -> Self {
        Self { name: name.into(), instance: 1, recorded: None }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}> ({})", self.name, self.instance)
    }
}

/// A line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    action: Action,
    things: Vec<Thing>,
}

impl Line {
    /// An action and the things that it is done to.
    ///
    /// # Errors
    /// Too many things, or too few.
    pub fn new(action: Action, things: Vec<Thing>) -> Result<Self, ScriptError> {
        if things.len() != action.arity() {
            let (found, expected) = (things.len(), action.arity());
            return Err(ScriptError::Count { action: action.name(), found, expected });
        }
        Ok(Self { action, things })
    }

    /// What is done.
    pub fn action(&self) -> Action {
        self.action
    }

    /// To what: as many as [`Action::arity`] says.
    pub fn things(&self) -> &[Thing] {
        &self.things
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.action.name())?;
        self.things.iter().try_for_each(|thing| write!(f, " {thing}"))
    }
}

/// A line that is no action, in the words of VirtualHome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// It does not start with `[WORD]`.
    #[error("Cannot parse action")]
    NoAction,
    /// No such action.
    #[error("Unknown action \"{0}\"")]
    UnknownAction(String),
    /// Too many things, or too few.
    #[error("Wrong number of parameters for \"{action}\". Got {found}, expected {expected}")]
    Count {
        /// The action's name.
        action: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// Not a number between the brackets.
    #[error("invalid literal for int() with base 10: '{0}'")]
    Instance(String),
}

/// Reads a line: `[POUR] <water> (1) <glass> (1)`.
///
/// # Errors
/// What is wrong.
pub fn parse_line(line: &str) -> Result<Line, ScriptError> {
    let (word, rest) =
        line.trim().strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or(ScriptError::NoAction)?;
    if word.is_empty() || !word.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Err(ScriptError::NoAction);
    }
    let word = word.to_uppercase();
    let action = Action::of_name(&word).ok_or(ScriptError::UnknownAction(word))?;
    Line::new(action, things(rest)?)
}

/// All `<name> (number)` of a line. A name ends at the first `>` that a number in brackets follows, whatever stands in it.
fn things(text: &str) -> Result<Vec<Thing>, ScriptError> {
    let ends = ends_of_names(text);
    let mut things = Vec::new();
    let mut from = 0;
    while let Some(open) = text[from..].find('<').map(|at| from + at) {
        from = open + 1;
        // One character at least, and no line break.
        let first = text[from..].chars().next().map_or(text.len(), |c| from + c.len_utf8());
        let limit = text[from..].find('\n').map_or(text.len(), |at| from + at);
        let next = ends.partition_point(|end| end.name < first);
        if let Some(end) = ends.get(next).filter(|end| end.name <= limit) {
            things.push(thing(&text[from..end.name], &text[end.number.0..end.number.1])?);
            from = end.number.1;
        }
    }
    Ok(things)
}

/// Where a name ends, and where its number stands.
struct End {
    name: usize,
    number: (usize, usize),
}

/// Every `>` that a number in brackets follows, in order.
fn ends_of_names(text: &str) -> Vec<End> {
    let stops: Vec<usize> = text.match_indices([')', '\n']).map(|(at, _)| at).collect();
    let closing = |(at, _): (usize, &str)| {
        let rest = &text[at + 1..];
        let inside = rest.trim_start().strip_prefix('(')?;
        let start = text.len() - inside.len();
        let first = inside.chars().next()?;
        // The number has one character at least, be it a bracket, and no line break.
        let end = *stops.get(stops.partition_point(|&stop| stop < start + first.len_utf8()))?;
        (first != '\n' && text[end..].starts_with(')')).then_some(End { name: at, number: (start, end) })
    };
    text.match_indices('>').filter_map(closing).collect()
}

fn thing(name: &str, number: &str) -> Result<Thing, ScriptError> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (instance, recorded) = match number.split_once('.') {
        Some((instance, node)) if digits(instance) && digits(node) => (instance, node.parse().ok()),
        _ => (number, None),
    };
    let instance = instance.trim().parse().map_err(|_| ScriptError::Instance(number.to_owned()))?;
    Ok(Thing { name: name.to_lowercase().replace(' ', "_"), instance, recorded })
}

/// Reads the lines of a script. Empty lines, remarks (`#`) and lines without `[` are left out, as the original does.
///
/// # Errors
/// The first line that is no action, with its number from 1.
pub fn parse_script<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Vec<Line>, (usize, ScriptError)> {
    let meant = |line: &&str| line.contains('[') && !line.trim_start().starts_with('#');
    let numbered = lines.into_iter().enumerate().filter(|(_, line)| meant(line));
    numbered.map(|(at, line)| parse_line(line).map_err(|error| (at + 1, error))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Result<String, String> {
        parse_line(line).map(|line| line.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn lines_are_read_as_the_original_reads_them() {
        assert_eq!(read("[walk] <Living Room> (1.22)").unwrap(), "[WALK] <living_room> (1)");
        assert_eq!(read("  [POUR] <water>(1), <cup> (2) .").unwrap(), "[POUR] <water> (1) <cup> (2)");
        assert_eq!(read("[LOOKAT_MEDIUM] <tv> (1)").unwrap(), "[LOOKAT] <tv> (1)");
        assert_eq!(read("[SLEEP]").unwrap(), "[SLEEP]");
        // A name goes on until a number follows.
        assert_eq!(read("[WALK] <a> <b> (1)").unwrap(), "[WALK] <a>_<b> (1)");
        assert_eq!(
            read("[WALK] <> (1)").unwrap_err(),
            r#"Wrong number of parameters for "WALK". Got 0, expected 1"#
        );
        assert_eq!(
            read("[WALK] <a> ()) <b> (1)").unwrap_err(),
            "invalid literal for int() with base 10: ')'"
        );
        assert_eq!(
            read("[WALK] <a> (1.2.3)").unwrap_err(),
            "invalid literal for int() with base 10: '1.2.3'"
        );
        assert_eq!(read("WALK <a> (1)").unwrap_err(), "Cannot parse action");
        assert_eq!(read("[FLY] <a> (1)").unwrap_err(), r#"Unknown action "FLY""#);
        assert_eq!(parse_line("[WALK] <a> (1.417)").unwrap().things()[0].recorded, Some(417));
    }

    #[test]
    fn what_is_no_line_is_left_out_and_errors_name_theirs() {
        let script = parse_script(["# [WALK] <a> (1)", "", "a title", "[SLEEP]"]).unwrap();
        assert_eq!(script.len(), 1);
        assert_eq!(
            parse_script(["[SLEEP]", "", "[NAP]"]),
            Err((3, ScriptError::UnknownAction("NAP".into())))
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}", line in r"\[[A-Z]{0,6}\]( ?<[a-z>< \n]{0,4}> ?\n?\(?[0-9.) ]{0,5}\)?){0,4}") {
            let _ = parse_line(&text);
            if let Ok(read) = parse_line(&line) {
                // Instances and names alone make the line again.
                if read.things().iter().all(|thing| !thing.name.contains(['>', '<', '\n', ' '])) {
                    prop_assert_eq!(parse_line(&read.to_string()).unwrap().to_string(), read.to_string());
                }
            }
        }
    }
}
