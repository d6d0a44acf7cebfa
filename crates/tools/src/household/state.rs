//! A household as it is being changed: what differs from its scene, and what a script has found in it.

use super::act::{Attempt, Step};
use super::scene::{Change, Edge, Equivalence, Node, NodeId, NodeStates, Property, Relation, Scene, State};
use super::script::{Line, Thing};
use super::set::OrderedSet;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

type From = (NodeId, Relation);

/// A household in which a script is acted out, line by line.
#[derive(Clone, Debug)]
pub struct Home {
    pub(super) scene: Arc<Scene>,
    names: Arc<Equivalence>,
    /// Nodes that have changed, in the order of their first change.
    changed: Vec<Node>,
    /// Edges of the scene that are gone.
    gone: HashMap<From, HashSet<NodeId>>,
    /// Edges that have come. As in the original, edges of the scene are mixed in when they are looked at.
    come: HashMap<From, OrderedSet>,
    /// What the things of the script are.
    bound: HashMap<(String, i64), NodeId>,
    /// Where what is held was taken from.
    pub(super) taken_from: HashMap<NodeId, (NodeId, Relation)>,
    lines: usize,
}

impl Home {
    /// A household at its start.
    pub fn new(scene: Arc<Scene>, names: Arc<Equivalence>) -> Self {
        Self {
            scene,
            names,
            changed: Vec::new(),
            gone: HashMap::new(),
            come: HashMap::new(),
            bound: HashMap::new(),
            taken_from: HashMap::new(),
            lines: 0,
        }
    }

    /// Does what a line says, or says why not; then nothing has changed.
    pub fn step(&mut self, line: &Line) -> Step {
        self.lines += 1;
        Attempt::new(self, line, self.lines).carry_out()
    }

    /// Whether a line could be carried out now.
    pub fn allows(&self, line: &Line) -> bool {
        self.clone().step(line).done()
    }

    /// The node that a thing of the script is, once the script has walked to it or found it.
    pub fn found(&self, thing: &Thing) -> Option<&Node> {
        self.bound.get(&(thing.name.clone(), thing.instance)).map(|&id| self.node(id))
    }

    /// Whether something of that name, or that it stands for, is in the household.
    pub fn has(&self, name: &str) -> bool {
        self.names.classes(name).any(|class| self.scene.nodes().iter().any(|node| node.class_name == class))
    }

    /// The room that the character is in.
    pub fn room(&self) -> Option<&Node> {
        self.room_around(self.scene.character().id)
    }

    /// The room that a node is in.
    ///
    /// # Panics
    /// If the scene has no such node.
    pub fn room_around(&self, node: NodeId) -> Option<&Node> {
        // A look leaves its mark, so a copy looks.
        let room = self.clone().room_of(node)?;
        Some(self.node(room))
    }

    /// All nodes as they are now, in the scene's order.
    pub fn nodes(&self) -> Vec<&Node> {
        self.scene.nodes().iter().map(|node| self.node(node.id)).collect()
    }

    /// A node as it is now.
    ///
    /// # Panics
    /// If the scene has no such node.
    pub fn node(&self, id: NodeId) -> &Node {
        let changed = self.changed.iter().find(|node| node.id == id);
        changed.or_else(|| self.scene.node(id)).expect("numbers of nodes come from the scene")
    }

    /// What has become of the scene.
    pub fn change(&self) -> Change {
        let scene = &self.scene;
        let differs = |node: &&Node| scene.node(node.id).is_some_and(|old| old.states != node.states);
        let mut states: Vec<NodeStates> = (self.changed.iter().filter(differs))
            .map(|node| NodeStates { id: node.id, states: node.states.clone() })
            .collect();
        states.sort_by_key(|node| node.id);
        let come = self.come.iter().flat_map(|(&from, to)| to.iter().map(move |to| (from, to)));
        let gone = self.gone.iter().flat_map(|(&from, to)| to.iter().map(move |&to| (from, to)));
        let edge = |((from, relation), to): (From, NodeId)| Edge(from, relation, to);
        let add: BTreeSet<Edge> = come.map(edge).filter(|&edge| !scene.has_edge(edge)).collect();
        let remove: BTreeSet<Edge> = gone.map(edge).collect();
        Change { states, add_edges: add.into_iter().collect(), remove_edges: remove.into_iter().collect() }
    }

    /// What a thing of the script may be: the node that it is known to be, else every node of its class or of a class that
    /// its name stands for.
    pub(super) fn candidates(&self, thing: &Thing) -> Vec<NodeId> {
        if let Some(node) = self.found(thing) {
            return vec![node.id];
        }
        let of_class = |class| self.scene.nodes().iter().filter(move |node| node.class_name == class);
        self.names.classes(&thing.name).flat_map(of_class).map(|node| node.id).collect()
    }

    /// All nodes, the changed ones first.
    pub(super) fn all(&self) -> Vec<NodeId> {
        let changed: Vec<NodeId> = self.changed.iter().map(|node| node.id).collect();
        let others = self.scene.nodes().iter().map(|node| node.id).filter(|id| !changed.contains(id));
        changed.iter().copied().chain(others).collect()
    }

    pub(super) fn bind(&mut self, thing: &Thing, node: NodeId) {
        self.bound.insert((thing.name.clone(), thing.instance), node);
    }

    /// Takes a node's states away and gives it others.
    pub(super) fn set_states(&mut self, mut node: Node, without: &[State], with: Option<State>) {
        without.iter().for_each(|state| {
            node.states.remove(state);
        });
        node.states.extend(with);
        match self.changed.iter_mut().find(|old| old.id == node.id) {
            Some(old) => *old = node,
            None => self.changed.push(node),
        }
    }

    /// Where a node's edges of one relation lead. Looking mixes the scene's edges into those that have come, and that decides
    /// the order of later looks, so every look counts.
    pub(super) fn targets(&mut self, from: NodeId, relation: Relation) -> Vec<NodeId> {
        let key = (from, relation);
        let gone = self.gone.get(&key);
        let own = self.scene.edges_from(from, relation).iter().copied();
        let look = |set: &mut OrderedSet| {
            own.for_each(|to| set.insert(to));
            set.remove_all(gone.into_iter().flatten().copied());
            set.iter().collect()
        };
        match self.come.get_mut(&key) {
            Some(set) => look(set),
            None => look(&mut OrderedSet::new()),
        }
    }

    pub(super) fn leads(&mut self, from: NodeId, relation: Relation, to: NodeId) -> bool {
        self.targets(from, relation).contains(&to)
    }

    pub(super) fn add(&mut self, from: NodeId, relation: Relation, to: NodeId) {
        let key = (from, relation);
        if self.gone.get_mut(&key).is_some_and(|gone| gone.remove(&to)) {
            return;
        }
        if !self.scene.has_edge(Edge(from, relation, to)) {
            self.come.entry(key).or_insert_with(OrderedSet::new).insert(to);
        }
    }

    /// Close there and back.
    pub(super) fn bring_close(&mut self, one: NodeId, other: NodeId) {
        self.add(one, Relation::Close, other);
        self.add(other, Relation::Close, one);
    }

    pub(super) fn remove(&mut self, from: NodeId, relation: Relation, to: NodeId) {
        let key = (from, relation);
        if self.scene.has_edge(Edge(from, relation, to)) {
            self.gone.entry(key).or_default().insert(to);
        } else if let Some(come) = self.come.get_mut(&key) {
            come.remove(to);
        }
    }

    /// Removes all edges of some relations at a node, out and in.
    pub(super) fn part(&mut self, node: NodeId, relations: &[Relation]) {
        let all = self.all();
        for &relation in relations {
            for &other in &all {
                self.remove(node, relation, other);
                self.remove(other, relation, node);
            }
        }
    }

    /// Removes a node's edges of one relation.
    pub(super) fn clear(&mut self, from: NodeId, relation: Relation) {
        self.all().into_iter().for_each(|to| self.remove(from, relation, to));
    }

    /// The room that a node is in: itself, the first room among several things that it is inside of, or at the end of the
    /// chain of things that it is inside of. The original goes round for ever where that chain is a ring; here it has no room.
    pub(super) fn room_of(&mut self, id: NodeId) -> Option<NodeId> {
        if self.node(id).is_room() {
            return Some(id);
        }
        let mut inside = self.targets(id, Relation::Inside);
        if inside.len() > 1 {
            inside = self.targets(id, Relation::Inside);
            return inside.into_iter().find(|&id| self.node(id).is_room());
        }
        let mut seen = HashSet::from([id]);
        while let Some(&next) = inside.first() {
            if self.node(next).is_room() {
                return Some(next);
            }
            if !seen.insert(next) {
                return None;
            }
            inside = self.targets(next, Relation::Inside);
        }
        None
    }

    /// Whether the character is close to a node, to something close to it, or to what it is on.
    pub(super) fn close_to(&mut self, node: NodeId) -> bool {
        let character = self.scene.character().id;
        self.leads(character, Relation::Close, node)
            || self
                .targets(character, Relation::Close)
                .into_iter()
                .any(|near| self.leads(near, Relation::Close, node) || self.leads(node, Relation::On, near))
    }

    /// Whether the character faces a node, or something that faces it.
    pub(super) fn faces(&mut self, node: NodeId) -> bool {
        let character = self.scene.character().id;
        self.leads(character, Relation::Facing, node)
            || self
                .targets(character, Relation::Facing)
                .into_iter()
                .any(|seen| self.leads(seen, Relation::Facing, node))
    }

    /// Whether a node is inside of something that is closed.
    pub(super) fn shut_in(&mut self, node: NodeId) -> bool {
        let around = self.targets(node, Relation::Inside);
        around.into_iter().any(|id| self.node(id).is(State::Closed) && !self.node(id).is_room())
    }

    /// The right hand if it is free, else the left.
    pub(super) fn free_hand(&mut self) -> Option<Relation> {
        let character = self.scene.character().id;
        let hands = [Relation::HoldsRight, Relation::HoldsLeft];
        hands.into_iter().find(|&hand| self.targets(character, hand).is_empty())
    }

    /// Whether the character holds a node.
    pub(super) fn holds(&mut self, node: NodeId) -> bool {
        let character = self.scene.character().id;
        self.leads(character, Relation::HoldsRight, node) || self.leads(character, Relation::HoldsLeft, node)
    }

    /// All that the character holds, the hands in this order.
    pub(super) fn held(&mut self, hands: [Relation; 2]) -> Vec<NodeId> {
        let character = self.scene.character().id;
        hands.into_iter().flat_map(|hand| self.targets(character, hand)).collect()
    }

    /// Whether as many things as that are on a node.
    pub(super) fn crowded(&mut self, node: NodeId, most: usize) -> bool {
        let mut on = 0;
        self.all().into_iter().any(|other| {
            on += usize::from(self.leads(other, Relation::On, node));
            on >= most
        })
    }

    /// Whether a node has a property.
    pub(super) fn can(&self, node: NodeId, property: Property) -> bool {
        self.node(node).has(property)
    }
}
