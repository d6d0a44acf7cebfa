//! A small household of our own with tasks, so that everything can be tried without other people's files.

use super::run::run;
use super::scene::{Edge, Equivalence, Node, NodeId, Patch, Property as P, Relation, Scene, State as S};
use super::state::Home;
use super::task::{HomeTask, Tasks};
use std::sync::Arc;

/// A class, the place of the thing (a class that comes before, `on` or else in it), what can be done with it, and how it is.
type Thing = (&'static str, &'static str, &'static [P], &'static [S]);

const ROOMS: [&str; 4] = ["kitchen", "living_room", "bedroom", "bathroom"];

const THINGS: [Thing; 38] = [
    ("character", "living_room", &[], &[]),
    ("table", "kitchen", &[P::Surfaces], &[]),
    ("fridge", "kitchen", &[P::CanOpen, P::Containers], &[S::Closed]),
    ("oven", "kitchen", &[P::CanOpen, P::HasSwitch, P::HasPlug], &[S::Closed, S::Off, S::PluggedIn]),
    ("sink", "kitchen", &[P::Recipient, P::Surfaces], &[]),
    ("tap", "on sink", &[P::HasSwitch], &[S::Off]),
    ("cup", "on table", &[P::Grabbable, P::Recipient], &[S::Clean]),
    ("plate", "on table", &[P::Grabbable, P::Recipient], &[S::Dirty]),
    ("knife", "on table", &[P::Grabbable], &[]),
    ("kettle", "on table", &[P::Grabbable, P::HasSwitch, P::HasPlug], &[S::Off, S::PluggedIn]),
    ("milk", "in fridge", &[P::Grabbable, P::Drinkable, P::Pourable], &[]),
    ("apple", "in fridge", &[P::Grabbable, P::Eatable, P::Cuttable], &[]),
    ("cloth", "on sink", &[P::Grabbable], &[]),
    ("ceiling_light", "kitchen", &[P::HasSwitch], &[S::Off]),
    ("sofa", "living_room", &[P::Sittable, P::Lieable, P::Surfaces], &[]),
    ("television", "living_room", &[P::HasSwitch, P::HasPlug, P::Lookable], &[S::Off, S::PluggedIn]),
    ("radio", "living_room", &[P::HasSwitch, P::HasPlug], &[S::Off, S::PluggedIn]),
    ("floor_lamp", "living_room", &[P::HasSwitch, P::HasPlug], &[S::Off, S::PluggedIn]),
    ("shelf", "living_room", &[P::Surfaces], &[]),
    ("book", "on shelf", &[P::Grabbable, P::Readable], &[]),
    ("newspaper", "on sofa", &[P::Grabbable, P::Readable], &[]),
    ("phone", "on shelf", &[P::Grabbable], &[]),
    ("window", "living_room", &[P::CanOpen], &[S::Closed]),
    ("curtain", "living_room", &[P::Movable], &[]),
    ("bed", "bedroom", &[P::Sittable, P::Lieable, P::Surfaces], &[]),
    ("wardrobe", "bedroom", &[P::CanOpen, P::Containers], &[S::Closed]),
    ("coat", "in wardrobe", &[P::Grabbable, P::Clothes, P::Hangable], &[]),
    ("desk", "bedroom", &[P::Surfaces], &[]),
    ("chair", "bedroom", &[P::Sittable, P::Movable], &[]),
    ("laptop", "on desk", &[P::Grabbable, P::HasSwitch, P::Lookable], &[S::Off]),
    ("alarm_clock", "on desk", &[P::Grabbable, P::HasSwitch], &[S::On]),
    ("shower", "bathroom", &[P::HasSwitch], &[S::Off]),
    ("basin", "bathroom", &[P::Recipient, P::Surfaces], &[]),
    ("toothbrush", "on basin", &[P::Grabbable], &[]),
    ("towel", "on basin", &[P::Grabbable], &[]),
    ("shirt", "on basin", &[P::Grabbable, P::Clothes], &[S::Dirty]),
    ("mirror", "bathroom", &[P::Lookable], &[S::Dirty]),
    (
        "washing_machine",
        "bathroom",
        &[P::CanOpen, P::HasSwitch, P::HasPlug],
        &[S::Closed, S::Off, S::PluggedIn],
    ),
];

/// Words that stand for classes of the household.
const NAMES: &str =
    r#"{"couch": ["sofa"], "tv": ["television"], "refrigerator": ["fridge"], "glass": ["cup"]}"#;

/// A title, how people say it, and how it is done.
type Wish = (&'static str, [&'static str; 3], &'static [&'static str]);

const WISHES: [Wish; 14] = [
    (
        "Watch television",
        [
            "Sit on the sofa and watch a film on television.",
            "I want to see the evening news on the screen.",
            "Turn on the television and sit down in front of it.",
        ],
        &[
            "[WALK] <television>",
            "[SWITCHON] <television>",
            "[WALK] <sofa>",
            "[SIT] <sofa>",
            "[FIND] <television>",
            "[TURNTO] <television>",
            "[WATCH] <television>",
        ],
    ),
    (
        "Read a book",
        [
            "Fetch the book from the shelf and read it on the sofa.",
            "I would like to sit comfortably and read a novel.",
            "Take a book, sit down and read some pages.",
        ],
        &["[FIND] <book>", "[GRAB] <book>", "[WALK] <sofa>", "[SIT] <sofa>", "[READ] <book>"],
    ),
    (
        "Make tea",
        [
            "Go to the kitchen and boil water in the kettle.",
            "Heat some water for a pot of tea.",
            "Turn the kettle on.",
        ],
        &["[WALK] <kitchen>", "[FIND] <kettle>", "[SWITCHON] <kettle>"],
    ),
    (
        "Listen to music",
        [
            "Turn the radio on and sit down to listen.",
            "I want to hear some songs on the sofa.",
            "Play music on the radio and relax on the sofa.",
        ],
        &["[WALK] <radio>", "[SWITCHON] <radio>", "[WALK] <sofa>", "[SIT] <sofa>"],
    ),
    (
        "Go to bed",
        [
            "Go to the bedroom and lie down on the bed.",
            "I am tired and want to sleep.",
            "Lie down in bed for the night.",
        ],
        &["[WALK] <bedroom>", "[WALK] <bed>", "[LIE] <bed>"],
    ),
    (
        "Air the room",
        [
            "Open the window to let fresh air in.",
            "It is stuffy in here: open a window.",
            "Let some fresh air into the living room.",
        ],
        &["[WALK] <window>", "[OPEN] <window>"],
    ),
    (
        "Wash clothes",
        [
            "Put the dirty shirt into the washing machine and start it.",
            "The shirt needs a wash in the machine.",
            "Do the laundry.",
        ],
        &[
            "[WALK] <bathroom>",
            "[FIND] <shirt>",
            "[GRAB] <shirt>",
            "[FIND] <washing_machine>",
            "[OPEN] <washing_machine>",
            "[PUTIN] <shirt> <washing_machine>",
            "[CLOSE] <washing_machine>",
            "[SWITCHON] <washing_machine>",
        ],
    ),
    (
        "Take a shower",
        [
            "Go to the bathroom and turn the shower on.",
            "I want to wash under the shower.",
            "Get under warm running water in the bathroom.",
        ],
        &["[WALK] <bathroom>", "[WALK] <shower>", "[SWITCHON] <shower>"],
    ),
    (
        "Work on the laptop",
        [
            "Sit down on the chair in the bedroom and start the laptop.",
            "I have to write a report on my computer, sitting on a chair.",
            "Use the laptop at the desk, seated.",
        ],
        &[
            "[WALK] <bedroom>",
            "[FIND] <laptop>",
            "[SWITCHON] <laptop>",
            "[WALK] <chair>",
            "[SIT] <chair>",
            "[FIND] <laptop>",
            "[TYPE] <laptop>",
        ],
    ),
    (
        "Light the room",
        [
            "It is dark: switch the floor lamp on.",
            "Turn on the lamp in the living room.",
            "I need some light in the living room.",
        ],
        &["[WALK] <floor_lamp>", "[SWITCHON] <floor_lamp>"],
    ),
    (
        "Clean the mirror",
        [
            "Take the towel and wipe the dirty mirror.",
            "The mirror in the bathroom is dirty, make it clean with a towel.",
            "Polish the bathroom mirror.",
        ],
        &["[WALK] <bathroom>", "[FIND] <towel>", "[GRAB] <towel>", "[WALK] <mirror>", "[WIPE] <mirror>"],
    ),
    (
        "Drink milk",
        [
            "Take the milk out of the fridge and drink it.",
            "I am thirsty and would like cold milk.",
            "Open the fridge and drink some milk.",
        ],
        &[
            "[WALK] <kitchen>",
            "[WALK] <fridge>",
            "[OPEN] <fridge>",
            "[FIND] <milk>",
            "[GRAB] <milk>",
            "[DRINK] <milk>",
        ],
    ),
    (
        "Wash the plate",
        [
            "Wash the dirty plate at the sink with running water.",
            "Clean the plate under the tap.",
            "Do the dishes: one plate is dirty.",
        ],
        &[
            "[WALK] <kitchen>",
            "[FIND] <plate>",
            "[GRAB] <plate>",
            "[WALK] <sink>",
            "[FIND] <tap>",
            "[SWITCHON] <tap>",
            "[WASH] <plate>",
        ],
    ),
    (
        "Stop the alarm",
        [
            "Go to the bedroom and turn the alarm clock off.",
            "The alarm clock rings, make it quiet.",
            "Switch off the alarm in the bedroom.",
        ],
        &["[WALK] <bedroom>", "[FIND] <alarm_clock>", "[SWITCHOFF] <alarm_clock>"],
    ),
];

/// The household and its tasks: every wish in three wordings.
pub fn builtin() -> Tasks {
    let base = Arc::new(scene());
    let names = Arc::new(Equivalence::from_json(NAMES.as_bytes()).expect("names of our own are JSON"));
    let tasks = WISHES.iter().enumerate().flat_map(|(number, (title, goals, script))| {
        let script: Vec<String> = script.iter().map(|line| line.replace('>', "> (1)")).collect();
        let mut home = Home::new(Arc::clone(&base), Arc::clone(&names));
        let outcome = run(&mut home, script.iter().map(String::as_str));
        let states = outcome.change.unwrap_or_default().states;
        let after: Vec<Node> = states.iter().map(|changed| home.node(changed.id).clone()).collect();
        let before: Vec<Node> = states.iter().filter_map(|changed| base.node(changed.id)).cloned().collect();
        goals.iter().zip(["a", "b", "c"]).map(move |(goal, letter)| HomeTask {
            id: format!("home-{:02}{letter}", number + 1),
            title: (*title).to_owned(),
            goal: (*goal).to_owned(),
            script: script.clone(),
            init: Patch::default(),
            final_from_init: Patch {
                remove_nodes: before.clone(),
                add_nodes: after.clone(),
                ..Patch::default()
            },
        })
    });
    Tasks { tasks: tasks.collect(), base, names }
}

fn scene() -> Scene {
    let node = |id: usize, class: &str, category: &str, properties: &[P], states: &[S]| Node {
        id: id as NodeId,
        class_name: class.to_owned(),
        category: Some(category.to_owned()),
        properties: properties.iter().copied().collect(),
        states: states.iter().copied().collect(),
    };
    let mut nodes: Vec<Node> =
        (1..).zip(ROOMS).map(|(id, class)| node(id, class, "Rooms", &[], &[])).collect();
    let mut edges = Vec::new();
    for (class, place, properties, states) in THINGS {
        let id = nodes.len() as NodeId + 1;
        let category = if class == "character" { "Characters" } else { "Things" };
        let (relation, place) = match place.split_once(' ') {
            Some(("on", place)) => (Relation::On, place),
            Some((_, place)) => (Relation::Inside, place),
            None => (Relation::Inside, place),
        };
        let below = nodes.iter().find(|node| node.class_name == place).expect("places come before");
        edges.push(Edge(id, relation, below.id));
        if !below.is_room() {
            edges.extend([Edge(id, Relation::Close, below.id), Edge(below.id, Relation::Close, id)]);
        }
        if relation == Relation::On {
            let room = edges.iter().find(|edge| edge.0 == below.id && edge.1 == Relation::Inside);
            edges.extend(room.map(|room| Edge(id, Relation::Inside, room.2)));
        }
        nodes.push(node(nodes.len() + 1, class, category, properties, states));
    }
    Scene::new(nodes, edges).expect("edges of our own join nodes of our own")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_of_our_own_can_be_done_and_changes_one_or_two_nodes() {
        let tasks = builtin();
        assert_eq!(tasks.tasks.len(), 3 * WISHES.len());
        for task in &tasks.tasks {
            let mut home = tasks.home(task).unwrap();
            let outcome = run(&mut home, task.script.iter().map(String::as_str));
            assert!(outcome.ok, "{}: {:?}", task.id, outcome.error);
            assert!(task.reached(&home) && !task.reached(&tasks.home(task).unwrap()), "{}", task.id);
            assert!((1..=2).contains(&task.wanted().len()), "{}: {:?}", task.id, task.wanted());
            assert!(task.script.len() <= 8, "{}", task.id);
        }
    }
}
