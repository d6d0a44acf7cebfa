//! The scene: nodes with states and properties, and the edges between them.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

/// Number of a node in its scene.
pub type NodeId = u32;

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($variant:ident = $name:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $kind {
            $(#[doc = concat!("`", $name, "`")] #[serde(rename = $name)] $variant,)*
        }

        impl $kind {
            /// The name in files.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

names! {
    /// A state of a node. The order is that of the names.
    State {
        Clean = "CLEAN", Closed = "CLOSED", Dirty = "DIRTY", Lying = "LYING", Off = "OFF", On = "ON", Open = "OPEN",
        PluggedIn = "PLUGGED_IN", PluggedOut = "PLUGGED_OUT", Sitting = "SITTING",
    }
}

names! {
    /// What can be done with a node.
    Property {
        BodyPart = "BODY_PART", CanOpen = "CAN_OPEN", Clothes = "CLOTHES", Containers = "CONTAINERS",
        CoverObject = "COVER_OBJECT", Cream = "CREAM", Cuttable = "CUTTABLE", Drinkable = "DRINKABLE",
        Eatable = "EATABLE", Grabbable = "GRABBABLE", Hangable = "HANGABLE", HasPaper = "HAS_PAPER",
        HasPlug = "HAS_PLUG", HasSwitch = "HAS_SWITCH", Lieable = "LIEABLE", Lookable = "LOOKABLE",
        Movable = "MOVABLE", Person = "PERSON", Pourable = "POURABLE", Readable = "READABLE",
        Recipient = "RECIPIENT", Sittable = "SITTABLE", Surfaces = "SURFACES",
    }
}

names! {
    /// A relation between two nodes. The order is that of the names, in which edges are sorted.
    Relation {
        Between = "BETWEEN", Close = "CLOSE", Facing = "FACING", HoldsLeft = "HOLDS_LH", HoldsRight = "HOLDS_RH",
        Inside = "INSIDE", On = "ON", Sitting = "SITTING",
    }
}

/// A thing, a room or the character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its number.
    pub id: NodeId,
    /// What it is: `chair`.
    pub class_name: String,
    /// Its kind: `Rooms`, `Furniture`, …
    #[serde(default)]
    pub category: Option<String>,
    /// What can be done with it.
    #[serde(default)]
    pub properties: BTreeSet<Property>,
    /// How it is.
    #[serde(default)]
    pub states: BTreeSet<State>,
}

impl Node {
    /// Whether it is a room.
    pub fn is_room(&self) -> bool {
        self.category.as_deref() == Some("Rooms")
    }

    /// Whether it has a property.
    pub fn has(&self, property: Property) -> bool {
        self.properties.contains(&property)
    }

    /// Whether it is in a state.
    pub fn is(&self, state: State) -> bool {
        self.states.contains(&state)
    }

    /// Whether somebody sits or lies: what keeps a character from walking.
    pub fn rests(&self) -> bool {
        self.is(State::Sitting) || self.is(State::Lying)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}> ({})", self.class_name, self.id)
    }
}

/// An edge: from, relation, to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge(pub NodeId, pub Relation, pub NodeId);

/// As scenes hold it.
#[derive(Deserialize)]
struct LongEdge {
    from_id: NodeId,
    relation_type: Relation,
    to_id: NodeId,
}

impl<'de> Deserialize<'de> for Edge {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let LongEdge { from_id, relation_type, to_id } = LongEdge::deserialize(deserializer)?;
        Ok(Self(from_id, relation_type, to_id))
    }
}

/// As runs hold it: `[65, "INSIDE", 1]`.
impl Serialize for Edge {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.0, self.1, self.2).serialize(serializer)
    }
}

/// What makes one scene of another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Patch {
    /// Nodes that go, or that return changed.
    pub remove_nodes: Vec<Node>,
    /// Nodes that come.
    pub add_nodes: Vec<Node>,
    /// Edges that go.
    pub remove_edges: Vec<Edge>,
    /// Edges that come.
    pub add_edges: Vec<Edge>,
}

/// What is wrong with a scene.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SceneError {
    /// An edge to or from nothing.
    #[error("the edge {0} {1} {2} joins a node that the scene does not have")]
    Edge(NodeId, &'static str, NodeId),
    /// No character.
    #[error("the scene has no node of class `character`")]
    NoCharacter,
}

/// A scene as it is before anything is done in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// In the file's order, which decides what is found first.
    nodes: Vec<Node>,
    index: HashMap<NodeId, usize>,
    edges: BTreeMap<(NodeId, Relation), Vec<NodeId>>,
    character: NodeId,
}

#[derive(Deserialize)]
struct Whole {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

impl Scene {
    /// A scene of nodes and edges. Of nodes with one number the last counts; edges given twice are one.
    ///
    /// # Errors
    /// Edges that join what is not there, and a scene without a character.
    pub fn new(nodes: Vec<Node>, edges: impl IntoIterator<Item = Edge>) -> Result<Self, SceneError> {
        let mut kept: Vec<Node> = Vec::with_capacity(nodes.len());
        let mut index = HashMap::new();
        for node in nodes {
            match index.get(&node.id) {
                Some(&at) => kept[at] = node,
                None => {
                    index.insert(node.id, kept.len());
                    kept.push(node);
                }
            }
        }
        let character = kept.iter().filter(|node| node.class_name == "character").map(|node| node.id).min();
        let character = character.ok_or(SceneError::NoCharacter)?;
        let mut seen = HashSet::new();
        let mut of: BTreeMap<_, Vec<NodeId>> = BTreeMap::new();
        for edge @ Edge(from, relation, to) in edges {
            if !index.contains_key(&from) || !index.contains_key(&to) {
                return Err(SceneError::Edge(from, relation.name(), to));
            }
            if seen.insert(edge) {
                of.entry((from, relation)).or_default().push(to);
            }
        }
        Ok(Self { nodes: kept, index, edges: of, character })
    }

    /// A scene as VirtualHome keeps it: `{"nodes": […], "edges": […]}`.
    ///
    /// # Errors
    /// Not JSON of this shape, or as [`Scene::new`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let Whole { nodes, edges } = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        Self::new(nodes, edges).map_err(|e| e.to_string())
    }

    /// The scene after a change. Nodes that are removed and added again go to the end. Edges of a node that goes for good go
    /// with it.
    ///
    /// # Errors
    /// As [`Scene::new`].
    pub fn patched(&self, patch: &Patch) -> Result<Self, SceneError> {
        let removed: HashSet<NodeId> = patch.remove_nodes.iter().map(|node| node.id).collect();
        let kept = self.nodes.iter().filter(|node| !removed.contains(&node.id));
        let nodes: Vec<Node> = kept.chain(&patch.add_nodes).cloned().collect();
        let ids: HashSet<NodeId> = nodes.iter().map(|node| node.id).collect();
        let gone: HashSet<&Edge> = patch.remove_edges.iter().collect();
        let edges = self
            .edges()
            .filter(|edge| !gone.contains(edge) && ids.contains(&edge.0) && ids.contains(&edge.2));
        Self::new(nodes, edges.chain(patch.add_edges.iter().copied()))
    }

    /// The nodes, in the scene's order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node by its number.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.index.get(&id).map(|&at| &self.nodes[at])
    }

    /// The character, as it is at the start.
    pub fn character(&self) -> &Node {
        &self.nodes[self.index[&self.character]]
    }

    /// All edges, sorted by where they start and by relation.
    pub fn edges(&self) -> impl Iterator<Item = Edge> {
        self.edges
            .iter()
            .flat_map(|(&(from, relation), to)| to.iter().map(move |&to| Edge(from, relation, to)))
    }

    /// Where a node's edges of one relation lead, in the file's order.
    pub fn edges_from(&self, from: NodeId, relation: Relation) -> &[NodeId] {
        self.edges.get(&(from, relation)).map_or(&[], Vec::as_slice)
    }

    /// Whether there is an edge.
    pub fn has_edge(&self, Edge(from, relation, to): Edge) -> bool {
        self.edges_from(from, relation).contains(&to)
    }
}

/// Class names that stand for others: a script's `couch` is a scene's `sofa`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Equivalence(HashMap<String, Vec<String>>);

impl Equivalence {
    /// Reads `{"couch": ["sofa"], …}`.
    ///
    /// # Errors
    /// Not JSON of this shape.
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The classes that a name means, itself first.
    pub fn classes<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        std::iter::once(name).chain(self.0.get(name).into_iter().flatten().map(String::as_str))
    }
}

/// The states of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStates {
    /// The node.
    pub id: NodeId,
    /// Its states, sorted by name.
    pub states: BTreeSet<State>,
}

/// What has become of a scene.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Nodes whose states differ, by number.
    pub states: Vec<NodeStates>,
    /// Edges that have come, sorted.
    pub add_edges: Vec<Edge>,
    /// Edges that have gone, sorted.
    pub remove_edges: Vec<Edge>,
}
