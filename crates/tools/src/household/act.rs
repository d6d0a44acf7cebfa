//! The actions: when they can be done, and what they do.
//!
//! Conditions are looked at in the original's order, since the first that fails is what it says, and since every look counts
//! ([`Home::targets`]). Its faults are kept: the character's own states are always those of the start, `PUTOFF` always fails,
//! and closed doors stop nobody.

use super::scene::{Node, NodeId, Property, Relation, State};
use super::script::{Action, Line, Thing};
use super::state::Home;

const EITHER_HAND: [Relation; 2] = [Relation::HoldsLeft, Relation::HoldsRight];
const RIGHT_FIRST: [Relation; 2] = [Relation::HoldsRight, Relation::HoldsLeft];

/// What came of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What the simulator said, with the line that it is about. Some actions are done all the same.
    pub messages: Vec<String>,
    /// How it ended.
    pub end: StepEnd,
}

/// How a line ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// It was done.
    Done,
    /// It can't be done: the messages say why.
    Refused,
    /// VirtualHome's executor breaks down on it, in these words.
    Fault(String),
}

impl Step {
    /// Whether the line was done.
    pub fn done(&self) -> bool {
        self.end == StepEnd::Done
    }
}

/// Why a line is not done.
enum No {
    /// A message says it.
    Said,
    Fault(String),
}

type Tried = Result<(), No>;

/// A line that is being tried.
pub(super) struct Attempt<'a> {
    home: &'a mut Home,
    line: &'a Line,
    number: usize,
    messages: Vec<String>,
    /// The character, as it was at the start.
    character: Node,
}

impl<'a> Attempt<'a> {
    /// `number` counts the script's lines from 1.
    pub fn new(home: &'a mut Home, line: &'a Line, number: usize) -> Self {
        let character = home.scene.character().clone();
        Self { home, line, number, messages: Vec::new(), character }
    }

    pub fn carry_out(mut self) -> Step {
        let end = match self.act() {
            Ok(()) => StepEnd::Done,
            Err(No::Said) => StepEnd::Refused,
            Err(No::Fault(fault)) => StepEnd::Fault(fault),
        };
        Step { messages: self.messages, end }
    }

    fn act(&mut self) -> Tried {
        use Action as A;
        let action = self.line.action();
        match action {
            A::Walk | A::Run => return self.walk(),
            A::Find => return self.find(),
            A::Sleep | A::WakeUp => {
                self.demand(self.character.rests(), |at| {
                    format!("{} is not lying or sitting", at.character)
                })?;
                return self.nothing();
            }
            A::StandUp => {
                self.demand(self.character.rests(), |at| format!("{} is not sitting", at.character))?;
                let character = self.character.clone();
                return self.change(|home| home.set_states(character, &[State::Sitting, State::Lying], None));
            }
            A::LookAtLong | A::LookAtShort => {
                return Err(No::Fault(format!("Execution of Action.{} is not supported", action.name())));
            }
            _ => {}
        }
        let node = self.thing(0)?;
        match action {
            A::Sit | A::Lie => self.rest(node),
            A::Grab => self.grab(node),
            A::Open | A::Close => self.open(node),
            A::PutBack => self.put(node, Relation::On),
            A::PutIn => self.put(node, Relation::Inside),
            A::PutObjBack => self.put_where_it_was(node),
            A::Pour => self.pour(node),
            A::SwitchOn | A::SwitchOff => self.switch(node),
            A::PlugIn | A::PlugOut => self.plug(node),
            A::PutOn => self.put_on(node),
            A::PutOff => Err(No::Fault(
                "PutOffExecutor.check_putoff() missing 1 required positional argument: 'char_index'".into(),
            )),
            A::Drop | A::Release => self.drop(node),
            A::Wipe | A::Wash | A::Rinse | A::Scrub => self.clean(node),
            A::TurnTo => {
                let character = self.character.id;
                self.change(|home| {
                    home.clear(character, Relation::Facing);
                    home.add(character, Relation::Facing, node);
                })
            }
            _ => {
                self.demand_harmless(node)?;
                self.nothing()
            }
        }
    }

    /// Conditions of the actions that change nothing.
    fn demand_harmless(&mut self, node: NodeId) -> Tried {
        use Action as A;
        match self.line.action() {
            A::Drink => {
                self.demand_either(
                    node,
                    [Property::Drinkable, Property::Recipient],
                    "is not drinkable or not recipient",
                )?;
                self.demand_held(node)
            }
            A::Read => {
                self.demand_property(node, Property::Readable, "is not readable")?;
                self.demand_held(node)
            }
            A::LookAt | A::PointAt => self.demand_faced(node),
            A::Touch => {
                self.demand_close(node)?;
                self.demand_reachable(node)
            }
            A::Type => {
                self.demand_close(node)?;
                let known = self.class(node) == "keyboard" || self.home.can(node, Property::HasSwitch);
                self.demand(known, |at| format!("{} does not have switch", at.shown(node)))
            }
            A::Watch => self.demand_watchable(node),
            A::Push | A::Pull | A::Move => self.demand_movable(node),
            A::Squeeze => {
                const SQUEEZABLE: [&str; 12] = [
                    "cleaning_solution",
                    "tooth_paste",
                    "shampoo",
                    "food_peanut_butter",
                    "dish_soap",
                    "soap",
                    "towel",
                    "rag",
                    "paper",
                    "sponge",
                    "food_lemon",
                    "check",
                ];
                self.demand_free_hand()?;
                self.demand_close(node)?;
                let soft = self.home.can(node, Property::Clothes) || SQUEEZABLE.contains(&self.class(node));
                self.demand(soft, |at| format!("{} is not clothes", at.shown(node)))
            }
            A::Cut => {
                self.demand_free_hand()?;
                self.demand_close(node)?;
                self.demand_property(node, Property::Eatable, "is not eatable")?;
                self.demand_property(node, Property::Cuttable, "is not cuttable")?;
                let held = self.home.held(EITHER_HAND);
                let knife = held.into_iter().any(|id| self.class(id).contains("knife"));
                self.demand(knife, |at| format!("{} is not holding a knife", at.character))
            }
            A::Eat => self.demand_eatable(node),
            A::Greet => self.demand_property(node, Property::Person, "is not person"),
            _ => Ok(()),
        }
    }

    fn walk(&mut self) -> Tried {
        let target = self.object()?;
        for node in self.home.candidates(target) {
            let room = self.home.room_of(node);
            if self.character.rests() {
                self.say(format!("{} is sitting", self.character));
                continue;
            }
            let Some(from) = self.home.room_of(self.character.id) else {
                return Err(No::Fault("Char_room is none!".into()));
            };
            self.home.room_of(node);
            if let Some(room) = room {
                let left = self.home.room_of(self.character.id).unwrap_or(from);
                return self.walk_to(target, node, (left, room));
            }
        }
        Err(No::Said)
    }

    fn walk_to(&mut self, target: &Thing, node: NodeId, (from, room): (NodeId, NodeId)) -> Tried {
        let character = self.character.id;
        let held = self.home.held(EITHER_HAND);
        self.change(|home| {
            home.bind(target, node);
            home.part(character, &[Relation::Inside, Relation::Close, Relation::Facing]);
            home.add(character, Relation::Inside, room);
            if room != node {
                for around in home.targets(node, Relation::Inside) {
                    if !home.node(around).is_room() {
                        home.bring_close(character, around);
                    }
                }
                for body in home.all() {
                    if home.can(body, Property::BodyPart) {
                        home.bring_close(character, body);
                    }
                }
                home.bring_close(character, node);
            }
            for &thing in &held {
                home.part(thing, &[Relation::Inside, Relation::Close, Relation::Facing]);
            }
            for &thing in &held {
                home.bring_close(character, thing);
                // The room that was left: so the original has it.
                home.add(thing, Relation::Inside, from);
            }
            if home.can(node, Property::CanOpen) {
                for thing in home.all() {
                    if home.leads(thing, Relation::Inside, node) {
                        home.bring_close(character, thing);
                    }
                }
            }
            for below in home.targets(node, Relation::On) {
                home.bring_close(character, below);
            }
        })
    }

    /// Walks to a thing first, unless the first that it may be is at hand or the character can't walk.
    fn find(&mut self) -> Tried {
        let target = self.object()?;
        let Some(&first) = self.home.candidates(target).first() else {
            self.say(format!("Could not find object {}", target.name));
            return Err(No::Fault("'NoneType' object is not an iterator".into()));
        };
        let at_hand = self.home.leads(first, Relation::On, self.character.id)
            || self.home.can(first, Property::BodyPart)
            || self.home.close_to(first)
            || self.character.rests();
        if !at_hand {
            match self.walk() {
                Err(No::Said) => {}
                end => return end,
            }
        }
        for node in self.home.candidates(target) {
            if self.home.close_to(node) {
                let character = self.character.id;
                return self.change(|home| {
                    home.bind(target, node);
                    home.clear(character, Relation::Facing);
                    home.bring_close(character, node);
                });
            }
            self.say(format!("{} is not close to {}", self.character, self.shown(node)));
        }
        Err(No::Said)
    }

    fn rest(&mut self, node: NodeId) -> Tried {
        let sit = self.line.action() == Action::Sit;
        self.demand_close(node)?;
        let (state, property) =
            if sit { (State::Sitting, Property::Sittable) } else { (State::Lying, Property::Lieable) };
        let able = if sit { "sittable" } else { "lieable" };
        let ing = if sit { "sitting" } else { "lying" };
        self.demand(!self.character.is(state), |at| format!("{} is {ing}", at.character))?;
        self.demand(self.home.can(node, property), |at| format!("{} is not {able}", at.shown(node)))?;
        let room = match (sit, self.class(node)) {
            (true, "couch" | "bed" | "sofa") => 4,
            (true, "loveseat" | "pianobench" | "bench") => 2,
            (false, "bed") => 3,
            (false, "couch" | "bathtub" | "loveseat" | "sofa") => 2,
            _ => 1,
        };
        let crowded = self.home.crowded(node, room);
        self.demand(!crowded, |at| format!("Too many things on {}", at.shown(node)))?;
        let character = self.character.clone();
        let other = if sit { State::Lying } else { State::Sitting };
        self.change(|home| {
            home.add(character.id, Relation::On, node);
            if sit {
                for seen in home.targets(node, Relation::Facing) {
                    home.add(character.id, Relation::Facing, seen);
                }
            }
            home.set_states(character, &[other], Some(state));
        })
    }

    fn grab(&mut self, node: NodeId) -> Tried {
        let loose =
            self.home.can(node, Property::Grabbable) || ["water", "child"].contains(&self.class(node));
        self.demand(loose, |at| format!("{} is not grabbable", at.shown(node)))?;
        let taken = self.home.taken_from.contains_key(&node);
        self.demand(!taken, |at| format!("{} already grabbed", at.shown(node)))?;
        self.demand_close(node)?;
        self.demand_reachable(node)?;
        let hand = self.demand_free_hand()?;
        let character = self.character.id;
        let room = self.home.room_of(character);
        let place = self.place_of(node);
        let room = self.room_or_fault(room)?;
        self.change(|home| {
            let tied =
                [Relation::On, Relation::Inside, Relation::Close, Relation::HoldsLeft, Relation::HoldsRight];
            home.part(node, &tied);
            home.bring_close(character, node);
            home.add(character, hand, node);
            home.add(node, Relation::Inside, room);
            if let Some((place, relation)) = place {
                home.bring_close(character, place);
                home.taken_from.insert(node, (place, relation));
            }
        })
    }

    /// What a node is on, in or close to, first found first, rooms aside.
    fn place_of(&mut self, node: NodeId) -> Option<(NodeId, Relation)> {
        [Relation::On, Relation::Inside, Relation::Close].into_iter().find_map(|relation| {
            let places = self.home.targets(node, relation);
            let place = places.into_iter().find(|&place| !self.home.node(place).is_room())?;
            Some((place, relation))
        })
    }

    fn open(&mut self, node: NodeId) -> Tried {
        let close = self.line.action() == Action::Close;
        let opens = self.home.can(node, Property::CanOpen) || ["desk", "window"].contains(&self.class(node));
        self.demand(opens, |at| format!("{} can not be opened", at.shown(node)))?;
        self.demand_close(node)?;
        if !close {
            self.demand_free_hand()?;
        }
        let (from, to) = if close { (State::Open, State::Closed) } else { (State::Closed, State::Open) };
        self.demand_state(node, from)?;
        let on = !close && self.home.node(node).is(State::On);
        self.demand(!on, |at| format!("{} is still on", at.shown(node)))?;
        self.turn(node, from, to)
    }

    fn put(&mut self, node: NodeId, relation: Relation) -> Tried {
        let place = self.thing(1)?;
        self.demand_puttable(node, place, relation)?;
        self.put_down(node, place, relation)
    }

    /// The original goes on where this can't be done.
    fn put_where_it_was(&mut self, node: NodeId) -> Tried {
        let Some(&(place, relation)) = self.home.taken_from.get(&node) else {
            self.say(format!("{} not grabbed", self.shown(node)));
            return Err(No::Said);
        };
        match self.demand_puttable(node, place, relation) {
            Ok(()) => self.put_down(node, place, relation),
            Err(No::Said) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    fn demand_puttable(&mut self, node: NodeId, place: NodeId, relation: Relation) -> Tried {
        self.demand_held(node)?;
        self.demand_close(place)?;
        let shut = relation == Relation::Inside
            && self.home.can(place, Property::CanOpen)
            && !self.home.node(place).is(State::Open);
        self.demand(!shut, |at| format!("{} is not open or is not openable", at.shown(place)))
    }

    fn put_down(&mut self, node: NodeId, place: NodeId, relation: Relation) -> Tried {
        let character = self.character.id;
        self.change(|home| {
            EITHER_HAND.iter().for_each(|&hand| home.remove(character, hand, node));
            home.bring_close(character, place);
            home.bring_close(node, place);
            home.add(node, relation, place);
            home.taken_from.remove(&node);
        })
    }

    fn pour(&mut self, node: NodeId) -> Tried {
        let into = self.thing(1)?;
        self.demand_either(node, [Property::Pourable, Property::Drinkable], "is not pourable or drinkable")?;
        let takes = self.home.can(into, Property::Recipient)
            || ["hands_both", "sponge", "face"].contains(&self.class(into));
        self.demand(takes, |at| format!("{} is not recipient", at.shown(into)))?;
        self.demand_held(node)?;
        self.demand_close(into)?;
        let (character, water) = (self.character.id, self.class(node) == "water");
        self.change(|home| {
            home.add(node, Relation::Inside, into);
            if water {
                EITHER_HAND.iter().for_each(|&hand| home.remove(character, hand, node));
            }
        })
    }

    fn switch(&mut self, node: NodeId) -> Tried {
        let on = self.line.action() == Action::SwitchOn;
        self.demand_property(node, Property::HasSwitch, "does not have a switch")?;
        self.demand_close(node)?;
        let (from, to) = if on { (State::Off, State::On) } else { (State::On, State::Off) };
        self.demand_state(node, from)?;
        let unplugged = on && self.home.node(node).is(State::PluggedOut);
        self.demand(!unplugged, |at| format!("{} is unplugged", at.shown(node)))?;
        self.turn(node, from, to)
    }

    fn plug(&mut self, node: NodeId) -> Tried {
        let plug_in = self.line.action() == Action::PlugIn;
        self.demand_property(node, Property::HasPlug, "does not have a plug")?;
        self.demand_close(node)?;
        self.demand_free_hand()?;
        let (from, to) = match plug_in {
            true => (State::PluggedOut, State::PluggedIn),
            false => (State::PluggedIn, State::PluggedOut),
        };
        self.demand_state(node, from)?;
        if !plug_in && self.home.node(node).is(State::On) {
            self.say(format!("{} is still on", self.shown(node)));
        }
        self.turn(node, from, to)
    }

    fn put_on(&mut self, node: NodeId) -> Tried {
        self.demand_in_hands(node)?;
        self.demand_property(node, Property::Clothes, "is not clothes")?;
        let character = self.character.id;
        self.change(|home| {
            home.add(node, Relation::On, character);
            EITHER_HAND.iter().for_each(|&hand| home.remove(character, hand, node));
        })
    }

    fn drop(&mut self, node: NodeId) -> Tried {
        self.demand_in_hands(node)?;
        let character = self.character.id;
        let room = self.home.room_of(character);
        let room = self.room_or_fault(room)?;
        self.change(|home| {
            EITHER_HAND.iter().for_each(|&hand| home.remove(character, hand, node));
            home.add(node, Relation::Inside, room);
            home.taken_from.remove(&node);
        })
    }

    fn clean(&mut self, node: NodeId) -> Tried {
        self.demand_close(node)?;
        if self.line.action() == Action::Wipe {
            let empty = self.home.held(RIGHT_FIRST).is_empty();
            self.demand(!empty, |at| format!("{} does not hold anything in hands", at.character))?;
        }
        self.turn(node, State::Dirty, State::Clean)
    }

    fn demand_watchable(&mut self, node: NodeId) -> Tried {
        let own = self.home.room_of(self.character.id);
        let room = self.home.room_of(node);
        self.demand_property(node, Property::Lookable, "not lookable")?;
        let (room, own) = (self.room_or_fault(room)?, self.room_or_fault(own)?);
        self.demand(room == own, |at| {
            format!("char room {} is not node room {}", at.shown(own), at.shown(room))
        })?;
        self.demand_faced(node)?;
        let away = self.class(node) != "computer"
            && self.character.rests()
            && !self.home.leads(self.character.id, Relation::Facing, node);
        self.demand(!away, |at| format!("{} is not facing {} while sitting", at.character, at.shown(node)))?;
        if self.home.shut_in(node) {
            self.say(format!("{} is inside other closed thing", self.shown(node)));
        }
        Ok(())
    }

    fn demand_movable(&mut self, node: NodeId) -> Tried {
        let push = self.line.action() == Action::Push;
        let moves = self.home.can(node, Property::Movable)
            || push
            || ["button", "chair", "curtain"].contains(&self.class(node));
        self.demand(moves, |at| format!("{} is not movable", at.shown(node)))?;
        self.demand_close(node)?;
        self.demand_reachable(node)?;
        self.demand_free_hand().map(|_| ())
    }

    fn demand_eatable(&mut self, node: NodeId) -> Tried {
        self.demand_close(node)?;
        if self.home.can(node, Property::Eatable) {
            return Ok(());
        }
        let mut on: Vec<NodeId> = Vec::new();
        for other in self.home.all() {
            if self.home.leads(other, Relation::On, node) {
                on.push(other);
            }
        }
        self.demand(!on.is_empty(), |at| format!("{} is not eatable", at.shown(node)))?;
        let food = on.into_iter().any(|id| self.home.can(id, Property::Eatable));
        self.demand(food, |at| format!("none of object on {} is eatable", at.shown(node)))
    }

    fn demand(&mut self, holds: bool, message: impl FnOnce(&Self) -> String) -> Tried {
        if holds {
            return Ok(());
        }
        self.say(message(self));
        Err(No::Said)
    }

    fn demand_property(&mut self, node: NodeId, property: Property, message: &str) -> Tried {
        self.demand(self.home.can(node, property), |at| format!("{} {message}", at.shown(node)))
    }

    fn demand_either(&mut self, node: NodeId, properties: [Property; 2], message: &str) -> Tried {
        let holds = properties.into_iter().any(|property| self.home.can(node, property));
        self.demand(holds, |at| format!("{} {message}", at.shown(node)))
    }

    fn demand_state(&mut self, node: NodeId, state: State) -> Tried {
        let holds = self.home.node(node).is(state);
        self.demand(holds, |at| format!("{} is not {}", at.shown(node), state.name().to_lowercase()))
    }

    fn demand_close(&mut self, node: NodeId) -> Tried {
        let close = self.home.close_to(node);
        self.demand(close, |at| format!("{} is not close to {}", at.character, at.shown(node)))
    }

    fn demand_faced(&mut self, node: NodeId) -> Tried {
        let faced = self.home.faces(node);
        self.demand(faced, |at| format!("{} does not face {}", at.character, at.shown(node)))
    }

    fn demand_reachable(&mut self, node: NodeId) -> Tried {
        let shut_in = self.home.shut_in(node);
        self.demand(!shut_in, |at| format!("{} is inside other closed thing", at.shown(node)))
    }

    fn demand_held(&mut self, node: NodeId) -> Tried {
        let held = self.home.holds(node);
        self.demand(held, |at| format!("{} is not holding {}", at.character, at.shown(node)))
    }

    /// As [`Self::demand_held`], with a look at both hands.
    fn demand_in_hands(&mut self, node: NodeId) -> Tried {
        let held = self.home.held(EITHER_HAND).contains(&node);
        self.demand(held, |at| format!("{} is not holding {}", at.character, at.shown(node)))
    }

    fn demand_free_hand(&mut self) -> Result<Relation, No> {
        match self.home.free_hand() {
            Some(hand) => Ok(hand),
            None => {
                self.say(format!("{} does not have a free hand", self.character));
                Err(No::Said)
            }
        }
    }

    /// Python's words where a room is used that there is not.
    fn room_or_fault(&self, room: Option<NodeId>) -> Result<NodeId, No> {
        room.ok_or_else(|| No::Fault("'NoneType' object has no attribute 'id'".into()))
    }

    fn turn(&mut self, node: NodeId, from: State, to: State) -> Tried {
        let node = self.home.node(node).clone();
        self.change(|home| home.set_states(node, &[from], Some(to)))
    }

    fn nothing(&mut self) -> Tried {
        self.change(|_| ())
    }

    /// Changes a copy and takes it: the original copies at every step, and copying decides the order of sets.
    fn change(&mut self, effects: impl FnOnce(&mut Home)) -> Tried {
        let mut next = self.home.clone();
        effects(&mut next);
        *self.home = next;
        Ok(())
    }

    /// The node that the line's `place`-th thing is.
    fn thing(&mut self, place: usize) -> Result<NodeId, No> {
        let line = self.line;
        let thing = line.things().get(place).ok_or(No::Said)?;
        match self.home.found(thing) {
            Some(node) => Ok(node.id),
            None => {
                self.say(format!("{thing} cannot be found"));
                Err(No::Said)
            }
        }
    }

    /// The line's first thing.
    fn object(&self) -> Result<&'a Thing, No> {
        self.line.things().first().ok_or(No::Said)
    }

    fn class(&self, node: NodeId) -> &str {
        &self.home.node(node).class_name
    }

    fn shown(&self, node: NodeId) -> &Node {
        self.home.node(node)
    }

    fn say(&mut self, message: String) {
        self.messages.push(format!("{message} when executing \"{} [{}]\"", self.line, self.number));
    }
}
