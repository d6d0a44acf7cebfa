//! Questions whose answer stands in the question: there is nothing to calculate, and a tool would be wrong.
//!
//! No operation is named in them, so that a number here can be told from a result.

use super::super::numbers::Numbers::{Hundredths, Tenths, Whole};
use super::{Pattern, pattern};

pub(super) const TRAIN: &[Pattern] = &[
    pattern(
        "The bus to {town} leaves from stop {a} and the bus to {town2} from stop {b}. Where does the bus to {town} leave?",
        &["The bus to {town} leaves from stop {a}.", "It leaves from stop {a}."],
        &[("a", Whole(1, 49)), ("b", Whole(50, 99))],
        &[],
    ),
    pattern(
        "{name} paints the door {color} and the window {color2}. What color is the door?",
        &["The door is {color}.", "{name} paints the door {color}."],
        &[],
        &[],
    ),
    pattern(
        "{name} owns {a} {item} and {name2} owns {b} {item}. How many {item} does {name2} own?",
        &["{name2} owns {b}.", "As the question says, the number that {name2} owns is {b}."],
        &[("a", Whole(5, 900)), ("b", Whole(5, 900))],
        &[],
    ),
    pattern(
        "The {place} in {town} was built in {a}. When was it built?",
        &["The {place} was built in {a}.", "The year it was built is {a}."],
        &[("a", Whole(1650, 2019))],
        &[],
    ),
    pattern(
        "{name} lives in {town} and works in {town2}. Where does {name} live?",
        &["{name} lives in {town}.", "The home of {name} is in {town}."],
        &[],
        &[],
    ),
    pattern(
        "At the sports club, {name} plays {sport} and {name2} plays {sport2}. What does {name2} play?",
        &["{name2} plays {sport2}.", "The sport of {name2} is {sport2}."],
        &[],
        &[],
    ),
    pattern(
        "The shirt of {name} has the number {a}. Which number is on the shirt?",
        &["The number on the shirt is {a}.", "On the shirt stands the number {a}."],
        &[("a", Whole(1, 99))],
        &[],
    ),
    pattern(
        "A {thing} costs ${a} at the {place}. What is its price?",
        &["Its price is ${a}.", "The {thing} costs ${a}."],
        &[("a", Hundredths(150, 9999))],
        &[],
    ),
    pattern(
        "The meeting is in room {a} on {day}. On which day is the meeting?",
        &["The meeting is on {day}.", "According to the question, the day is {day}."],
        &[("a", Whole(10, 480))],
        &[],
    ),
    pattern(
        "{name} is {a} years old and has a {animal} that is {b} years old. How old is the {animal}?",
        &["The age of the {animal} is {b}.", "The {animal} has an age of {b}."],
        &[("a", Whole(15, 90)), ("b", Whole(2, 14))],
        &[],
    ),
    pattern(
        "The road from {town} to {town2} is {a} {distance} long, as a sign says. What does the sign say?",
        &["The sign says {a}.", "The distance on the sign is {a}."],
        &[("a", Tenths(11, 990))],
        &[],
    ),
    pattern(
        "{name} reads page {a} while {name2} feeds the {animal}. Who feeds the {animal}?",
        &["The one who feeds the {animal} is {name2}.", "The {animal} is fed by {name2}."],
        &[("a", Whole(5, 900))],
        &[],
    ),
    pattern(
        "The {worker} in {town} keeps {a} {item} in a drawer. How many {item} are in the drawer?",
        &["In the drawer are {a}.", "The {worker} keeps {a}."],
        &[("a", Whole(3, 600))],
        &[],
    ),
];

pub(super) const TEST: &[Pattern] = &[
    pattern(
        "The train to {town} waits on track {a} and the train to {town2} on track {b}. On which track is the train to {town2}?",
        &["The train to {town2} waits on track {b}.", "It waits on track {b}."],
        &[("a", Whole(1, 20)), ("b", Whole(21, 40))],
        &[],
    ),
    pattern(
        "{name} has a {color} bicycle and {name2} has a {color2} one. Which color does the bicycle of {name2} have?",
        &["The bicycle of {name2} is {color2}.", "Its color is {color2}."],
        &[],
        &[],
    ),
    pattern(
        "In the garden of {name} stand {a} trees, and in the garden of {name2} stand {b}. How many stand in the first?",
        &["In the garden of {name} stand {a}.", "The first garden has {a}."],
        &[("a", Whole(3, 80)), ("b", Whole(3, 80))],
        &[],
    ),
    pattern(
        "The {place} of {town} opened in {a}. In which year did it open?",
        &["The {place} opened in {a}.", "The year of the opening is {a}."],
        &[("a", Whole(1700, 2019))],
        &[],
    ),
    pattern(
        "On {day}, {name} met a {worker} with {a} {item}. Whom did {name} meet?",
        &["The person {name} met is a {worker}.", "On {day}, {name} met a {worker}."],
        &[("a", Whole(2, 400))],
        &[],
    ),
    pattern(
        "The house of {name} has the number {a} and the phone of {name} ends in {b}. What is the number of the house?",
        &["The number of the house is {a}.", "The house of {name} has the number {a}."],
        &[("a", Whole(1, 300)), ("b", Whole(1000, 9999))],
        &[],
    ),
];
