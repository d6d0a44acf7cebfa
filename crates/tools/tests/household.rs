//! The household by hand computation, and under random scripts.

use proptest::prelude::*;
use std::sync::Arc;
use toolken_tools::household::{
    Action, Change, Edge, Equivalence, Home, Node, Outcome, Property, Relation, Scene, State, Thing, builtin,
    parse_line, run,
};

fn home() -> Home {
    let tasks = builtin();
    Home::new(tasks.base.clone(), tasks.names.clone())
}

fn act(lines: &[&str]) -> Outcome {
    run(&mut home(), lines.iter().copied())
}

#[track_caller]
fn error(lines: &[&str]) -> String {
    act(lines).error.expect("an error")
}

fn node(id: u32, class: &str, category: &str, properties: &[Property]) -> Node {
    Node {
        id,
        class_name: class.into(),
        category: Some(category.into()),
        properties: properties.iter().copied().collect(),
        states: Default::default(),
    }
}

/// Two rooms, a cup on a table in the first, a box that opens, and the character in the second.
fn two_rooms() -> Home {
    let nodes = vec![
        node(1, "kitchen", "Rooms", &[]),
        node(2, "hall", "Rooms", &[]),
        node(3, "character", "Characters", &[]),
        node(4, "table", "Things", &[Property::Surfaces]),
        node(5, "cup", "Things", &[Property::Grabbable]),
        node(6, "cup", "Things", &[Property::Grabbable]),
    ];
    let edges = [
        Edge(3, Relation::Inside, 2),
        Edge(4, Relation::Inside, 1),
        Edge(5, Relation::Inside, 1),
        Edge(5, Relation::On, 4),
        Edge(5, Relation::Close, 4),
        Edge(4, Relation::Close, 5),
        Edge(6, Relation::Inside, 2),
    ];
    let names = Equivalence::from_json(br#"{"mug": ["cup"]}"#).unwrap();
    Home::new(Arc::new(Scene::new(nodes, edges).unwrap()), Arc::new(names))
}

#[track_caller]
fn change(home: &mut Home, lines: &[&str]) -> Change {
    let outcome = run(home, lines.iter().copied());
    assert_eq!(outcome.error, None);
    outcome.change.unwrap()
}

#[test]
fn taking_a_cup_changes_the_edges_that_it_should() {
    let mut home = two_rooms();
    let found = change(&mut home, &["[WALK] <mug> (1)", "[GRAB] <mug> (1)"]);
    use Relation::{Close, HoldsRight, Inside, On};
    // The first of the class is walked to; its table is supported by nothing, so only it and the cup are close.
    assert_eq!(
        found.add_edges,
        [
            Edge(3, Close, 4),
            Edge(3, Close, 5),
            Edge(3, HoldsRight, 5),
            Edge(3, Inside, 1),
            Edge(4, Close, 3),
            Edge(5, Close, 3)
        ]
    );
    assert_eq!(
        found.remove_edges,
        [Edge(3, Inside, 2), Edge(4, Close, 5), Edge(5, Close, 4), Edge(5, On, 4)]
    );
    assert_eq!(home.found(&Thing::first("mug")).map(|node| node.id), Some(5));
    // Held things stay in the room that was left.
    let found = change(&mut home, &["[WALK] <hall> (1)"]);
    assert_eq!(found.add_edges, [Edge(3, Close, 5), Edge(3, HoldsRight, 5), Edge(5, Close, 3)]);
    assert!(
        found.remove_edges.contains(&Edge(4, Close, 5)) && !found.remove_edges.contains(&Edge(5, Inside, 1))
    );
}

#[test]
fn a_second_thing_of_a_class_is_the_first_until_it_is_found() {
    let mut home = two_rooms();
    change(&mut home, &["[WALK] <kitchen> (1)", "[FIND] <cup> (1)", "[FIND] <cup> (2)"]);
    assert_eq!(home.found(&Thing { instance: 2, ..Thing::first("cup") }).map(|node| node.id), Some(5));
}

#[test]
fn the_originals_faults_are_kept() {
    // The character's states are those of the start: nobody is kept from sitting twice or from walking while sitting.
    assert!(act(&["[WALK] <sofa> (1)", "[SIT] <sofa> (1)", "[SIT] <sofa> (1)", "[WALK] <kitchen> (1)"]).ok);
    assert_eq!(
        error(&["[SLEEP]"]),
        r#"<character> (5) is not lying or sitting when executing "[SLEEP] [1]""#
    );
    let put_off = error(&[
        "[FIND] <wardrobe> (1)",
        "[OPEN] <wardrobe> (1)",
        "[FIND] <coat> (1)",
        "[PUTOFF] <coat> (1)",
    ]);
    assert!(put_off.starts_with("internal: PutOffExecutor"), "{put_off}");
    assert_eq!(error(&["[FIND] <unicorn> (1)"]), "internal: 'NoneType' object is not an iterator");
    assert_eq!(
        error(&["[FIND] <sofa> (1)", "[LOOKAT_LONG] <sofa> (1)"]),
        "internal: Execution of Action.LOOKAT_LONG is not supported"
    );
    // A walk to what is in no room says nothing at all.
    assert_eq!(error(&["[WALK] <unicorn> (1)"]), "");
}

#[test]
fn a_closed_thing_keeps_what_is_in_it() {
    let said = error(&["[WALK] <fridge> (1)", "[FIND] <milk> (1)", "[GRAB] <milk> (1)"]);
    assert!(said.starts_with("<milk> (15) is inside other closed thing"), "{said}");
    assert!(
        act(&[
            "[WALK] <fridge> (1)",
            "[OPEN] <fridge> (1)",
            "[FIND] <milk> (1)",
            "[GRAB] <milk> (1)",
            "[DRINK] <milk> (1)"
        ])
        .ok
    );
    let twice = error(&["[WALK] <fridge> (1)", "[OPEN] <fridge> (1)", "[OPEN] <fridge> (1)"]);
    assert!(twice.starts_with("<fridge> (7) is not closed"), "{twice}");
}

#[test]
fn a_scene_that_is_none_is_refused() {
    let nothing = Scene::new(vec![], []).unwrap_err().to_string();
    assert!(nothing.contains("character"), "{nothing}");
    let dangling = Scene::new(vec![node(3, "character", "Characters", &[])], [Edge(3, Relation::Inside, 9)]);
    assert!(dangling.unwrap_err().to_string().contains("3 INSIDE 9"));
    assert!(
        Scene::from_json(br#"{"nodes": [{"id": 1, "class_name": "x", "states": ["FLYING"]}], "edges": []}"#)
            .is_err()
    );
}

#[test]
fn rings_of_things_in_each_other_are_no_trap() {
    let mut nodes: Vec<Node> = (1..5).map(|id| node(id, "box", "Things", &[Property::Grabbable])).collect();
    nodes.push(node(9, "character", "Characters", &[]));
    let edges = [(1, 2), (2, 1), (3, 3), (9, 1)].map(|(from, to)| Edge(from, Relation::Inside, to));
    let mut home = Home::new(Arc::new(Scene::new(nodes, edges).unwrap()), Arc::default());
    let outcome = run(&mut home, ["[WALK] <box> (1)"]);
    assert_eq!(outcome.error.as_deref(), Some("internal: Char_room is none!"));
}

fn script() -> impl Strategy<Value = Vec<String>> {
    let classes: Vec<String> = builtin().base.nodes().iter().map(|node| node.class_name.clone()).collect();
    let thing = (proptest::sample::select(classes), 1..3).prop_map(|(class, n)| format!(" <{class}> ({n})"));
    let find = thing.clone().prop_map(|thing| vec![format!("[FIND]{thing}")]);
    let act = (proptest::sample::select(Action::ALL), proptest::collection::vec(thing, 2)).prop_map(
        |(action, things)| {
            // Known first, so that more than the search is tried.
            let known = things.iter().take(action.arity()).map(|thing| format!("[FIND]{thing}"));
            let line = format!("[{}]{}", action.name(), things[..action.arity()].concat());
            known.chain([line]).collect()
        },
    );
    proptest::collection::vec(prop_oneof![find, act], 1..25).prop_map(|lines| lines.concat())
}

proptest! {
    /// A refused line changes nothing; what `allows` says is what `step` does; no script panics.
    #[test]
    fn random_scripts_keep_the_households_rules(script in script()) {
        let mut home = home();
        let character = home.found(&Thing::first("nothing")).map(|node| node.id);
        prop_assert_eq!(character, None);
        for line in &script {
            let line = parse_line(line).unwrap();
            let (before, allowed) = (home.change(), home.allows(&line));
            let step = home.step(&line);
            prop_assert_eq!(step.done(), allowed);
            let after = home.change();
            if !step.done() {
                prop_assert_eq!(before, after.clone());
            }
            // Two hands, one thing each; opposite states never meet.
            for hand in [Relation::HoldsLeft, Relation::HoldsRight] {
                prop_assert!(after.add_edges.iter().filter(|edge| edge.1 == hand).count() <= 1);
            }
            for node in home.nodes() {
                for (one, other) in [(State::On, State::Off), (State::Open, State::Closed)] {
                    prop_assert!(!(node.is(one) && node.is(other)), "{}", node);
                }
            }
            let sorted = after.add_edges.windows(2).all(|pair| pair[0] < pair[1]);
            prop_assert!(sorted);
        }
    }
}
