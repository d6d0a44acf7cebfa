//! Sums, differences, products, quotients.

use super::super::numbers::Numbers::{Grouped, Hundredths, Multiple, Percent, Tenths, Times, Whole};
use super::super::operation::{ADD, ADD_THREE, DIVIDE, MULTIPLY, SHARE, SUBTRACT};
use super::{Pattern, pattern};

pub(super) const ADD_TRAIN: &[Pattern] = &[
    pattern(
        "{name} has {a} {item} and buys {b} more. How many {item} does {name} have now?",
        &["{name} now has {eq}.", "{name} had {a} {item} and bought {b} more, so {says}.", "{Says}."],
        &[("a", Whole(12, 900)), ("b", Whole(5, 400))],
        &[(&ADD, &["a", "b"])],
    ),
    pattern(
        "The {place} counted {a} visitors on {day} and {b} visitors on {day2}. How many visitors came in total?",
        &["The total number of visitors is {eq}.", "Adding the two days, {says}."],
        &[("a", Whole(100, 9999)), ("b", Whole(100, 9999))],
        &[(&ADD, &["a", "b"])],
    ),
    pattern(
        "{name} walks {a} {distance} before lunch and {b} {distance} after lunch. How far does {name} walk altogether?",
        &["Altogether {name} walks {eq}.", "The whole way in {distance}: {says}."],
        &[("a", Tenths(11, 199)), ("b", Tenths(11, 199))],
        &[(&ADD, &["a", "b"])],
    ),
    pattern(
        "One {thing} costs ${a} and another costs ${b}. What do the two cost together?",
        &["Together they cost {eq}.", "The price of both in dollars is {eq}."],
        &[("a", Hundredths(150, 9999)), ("b", Hundredths(150, 9999))],
        &[(&ADD, &["a", "b"])],
    ),
    pattern(
        "Three shelves hold {a}, {b} and {c} {item}. How many {item} are there?",
        &["The number of {item} is {eq}.", "We count all three shelves, and {says}."],
        &[("a", Whole(10, 300)), ("b", Whole(10, 300)), ("c", Whole(10, 300))],
        &[(&ADD_THREE, &["a", "b", "c"])],
    ),
    pattern(
        "{town} has {a} inhabitants and {town2} has {b}. How many people live in the two towns?",
        &["The number of people in the two towns is {eq}.", "Both towns taken together, {says}."],
        &[("a", Grouped(10_000, 990_000)), ("b", Grouped(10_000, 990_000))],
        &[(&ADD, &["a", "b"])],
    ),
    pattern(
        "What is {a} plus {b}?",
        &["{Says}.", "The answer is {eq}."],
        &[("a", Whole(100, 99_999)), ("b", Whole(100, 99_999))],
        &[(&ADD, &["a", "b"])],
    ),
];

pub(super) const ADD_TEST: &[Pattern] = &[
    pattern(
        "A truck carries {a} {item}, and at the next stop it takes on {b} more. How many {item} are on the truck then?",
        &["The truck then carries {eq}.", "With the new load, {says}."],
        &[("a", Whole(100, 5000)), ("b", Whole(50, 900))],
        &[(&ADD, &["a", "b"])],
    ),
    pattern(
        "The bag of {name} weighs {a} {weight} and the bag of {name2} weighs {b} {weight}. What is their combined weight?",
        &["Their combined weight is {eq}.", "We put both bags on the scale: {says}."],
        &[("a", Tenths(21, 399)), ("b", Tenths(21, 399))],
        &[(&ADD, &["a", "b"])],
    ),
    pattern(
        "The {place} earned {a} dollars last year and {b} dollars this year. How much did it earn over both years?",
        &["Over both years it earned {eq}.", "The earnings of the two years add up, so {says}."],
        &[("a", Grouped(20_000, 900_000)), ("b", Grouped(20_000, 900_000))],
        &[(&ADD, &["a", "b"])],
    ),
    pattern(
        "A tour has stages of {a}, {b} and {c} {distance}. How long is the whole tour?",
        &["The length of the tour is {eq}.", "All stages together: {says}."],
        &[("a", Whole(5, 240)), ("b", Whole(5, 240)), ("c", Whole(5, 240))],
        &[(&ADD_THREE, &["a", "b", "c"])],
    ),
];

pub(super) const SUBTRACT_TRAIN: &[Pattern] = &[
    pattern(
        "{name} has {a} {item} and gives {b} of them to {name2}. How many {item} does {name} have left?",
        &["{name} has {eq}.", "{name} started with {a} {item} and gave away {b}, so {says}.", "{Says}."],
        &[("a", Whole(300, 900)), ("b", Whole(11, 290))],
        &[(&SUBTRACT, &["a", "b"])],
    ),
    pattern(
        "The {place} had ${a} in its account and paid a bill of ${b}. How much money is left?",
        &["The money left is {eq}.", "After the bill, {says}."],
        &[("a", Hundredths(50_000, 990_000)), ("b", Hundredths(1000, 49_000))],
        &[(&SUBTRACT, &["a", "b"])],
    ),
    pattern(
        "A rope of {a} {length} is shortened by {b} {length}. How long is it then?",
        &["The rope is then {eq}.", "The new length is {eq}."],
        &[("a", Tenths(300, 999)), ("b", Tenths(11, 289))],
        &[(&SUBTRACT, &["a", "b"])],
    ),
    pattern(
        "Of {a} {people}, {b} have gone home. How many {people} are still here?",
        &["The number of {people} still here is {eq}.", "Since {b} of the {a} {people} have gone, {says}."],
        &[("a", Whole(200, 5000)), ("b", Whole(20, 199))],
        &[(&SUBTRACT, &["a", "b"])],
    ),
    pattern(
        "{town} has {a} inhabitants and {town2} has {b}. How many more inhabitants does {town} have?",
        &["The difference is {eq}.", "We compare the towns: {says}."],
        &[("a", Grouped(500_000, 2_000_000)), ("b", Grouped(10_000, 490_000))],
        &[(&SUBTRACT, &["a", "b"])],
    ),
    pattern(
        "What is {a} minus {b}?",
        &["{Says}.", "The result is {eq}."],
        &[("a", Whole(5000, 99_999)), ("b", Whole(100, 4999))],
        &[(&SUBTRACT, &["a", "b"])],
    ),
    pattern(
        "Yesterday it was {a} degrees, and today it is {b} degrees colder. What is the temperature today?",
        &["The temperature today is {eq}.", "It has become {b} degrees colder, so {says}."],
        &[("a", Tenths(201, 389)), ("b", Tenths(11, 199))],
        &[(&SUBTRACT, &["a", "b"])],
    ),
];

pub(super) const SUBTRACT_TEST: &[Pattern] = &[
    pattern(
        "A tank holds {a} liters of {liquid}. During the night {b} liters leak out. How many liters remain?",
        &["What remains in the tank is {eq}.", "Without what leaked out, {says}."],
        &[("a", Whole(400, 9000)), ("b", Whole(10, 390))],
        &[(&SUBTRACT, &["a", "b"])],
    ),
    pattern(
        "{name} pays for a {thing} of ${b} with ${a}. How much change does {name} get?",
        &["The change in dollars is {eq}.", "{name} pays too much by {eq}."],
        &[("a", Whole(50, 100)), ("b", Hundredths(305, 4899))],
        &[(&SUBTRACT, &["a", "b"])],
    ),
    pattern(
        "The old bridge is {a} {length} long and the new one is {b} {length} long. By how much is the old one longer?",
        &["The old bridge is longer by {eq}.", "Taking one length from the other, {says}."],
        &[("a", Tenths(3001, 9999)), ("b", Tenths(501, 2999))],
        &[(&SUBTRACT, &["a", "b"])],
    ),
    pattern(
        "The {place} ordered {a} {item}, but {b} of them never arrived. How many did arrive?",
        &["The number that arrived is {eq}.", "We leave out the missing ones, and {says}."],
        &[("a", Grouped(5000, 90_000)), ("b", Whole(12, 999))],
        &[(&SUBTRACT, &["a", "b"])],
    ),
];

pub(super) const MULTIPLY_TRAIN: &[Pattern] = &[
    pattern(
        "{name} buys {a} {container} with {b} {item} each. How many {item} is that?",
        &["{name} buys {eq}.", "There are {a} {container} with {b} {item} in each, so {says}.", "{Says}."],
        &[("a", Whole(3, 90)), ("b", Whole(6, 144))],
        &[(&MULTIPLY, &["a", "b"])],
    ),
    pattern(
        "The {worker} earns ${a} an hour and works {b} hours. How much does the {worker} earn?",
        &["The {worker} earns {eq}.", "The pay in dollars is {eq}."],
        &[("a", Hundredths(900, 4500)), ("b", Whole(4, 60))],
        &[(&MULTIPLY, &["a", "b"])],
    ),
    pattern(
        "A floor is {a} {length} long and {b} {length} wide. What is its area?",
        &["The area of the floor is {eq}.", "Length times width: {says}."],
        &[("a", Tenths(31, 299)), ("b", Tenths(21, 199))],
        &[(&MULTIPLY, &["a", "b"])],
    ),
    pattern(
        "What is {p} of {a}?",
        &["{Says}.", "This share is {eq}."],
        &[("p", Percent(2, 95)), ("a", Whole(40, 9000))],
        &[(&SHARE, &["p", "a"])],
    ),
    pattern(
        "Of the {a} {people} at the {place}, {p} came by bike. How many came by bike?",
        &["The number who came by bike is {eq}.", "We take {p} of all {people}, and {says}."],
        &[("p", Percent(5, 90)), ("a", Multiple(100, 1, 40))],
        &[(&SHARE, &["p", "a"])],
    ),
    pattern(
        "A printer makes {a} pages a minute. How many pages does it make in {b} minutes?",
        &["The number of pages is {eq}.", "It makes {a} pages in each of {b} minutes, so {says}."],
        &[("a", Whole(8, 480)), ("b", Whole(3, 120))],
        &[(&MULTIPLY, &["a", "b"])],
    ),
    pattern(
        "What is {a} times {b}?",
        &["{Says}.", "Multiplied, that is {eq}."],
        &[("a", Whole(12, 9999)), ("b", Whole(12, 999))],
        &[(&MULTIPLY, &["a", "b"])],
    ),
];

pub(super) const MULTIPLY_TEST: &[Pattern] = &[
    pattern(
        "A hall has {a} rows of chairs, and {b} chairs stand in every row. How many chairs are in the hall?",
        &["The hall has {eq}.", "Rows and chairs multiply, so {says}."],
        &[("a", Whole(8, 95)), ("b", Whole(9, 80))],
        &[(&MULTIPLY, &["a", "b"])],
    ),
    pattern(
        "One can of {liquid} weighs {a} {weight}. What do {b} such cans weigh?",
        &["The cans weigh {eq}.", "All cans together in {weight}: {says}."],
        &[("a", Tenths(11, 89)), ("b", Whole(4, 75))],
        &[(&MULTIPLY, &["a", "b"])],
    ),
    pattern(
        "A tip of {p} is paid on a bill of ${a}. How many dollars is the tip?",
        &["The tip is {eq}.", "For the tip, {says}."],
        &[("p", Percent(5, 30)), ("a", Whole(20, 900))],
        &[(&SHARE, &["p", "a"])],
    ),
    pattern(
        "{name} swims {a} laps a day for {b} days. How many laps does {name} swim?",
        &["{name} swims {eq}.", "We repeat {a} laps on {b} days, and {says}."],
        &[("a", Whole(7, 90)), ("b", Whole(5, 365))],
        &[(&MULTIPLY, &["a", "b"])],
    ),
];

pub(super) const DIVIDE_TRAIN: &[Pattern] = &[
    pattern(
        "{name} shares {a} {item} equally among {b} children. How many {item} does each child get?",
        &["Each child gets {eq}.", "The {a} {item} go to {b} children, so {says}.", "{Says}."],
        &[("b", Whole(3, 36)), ("a", Times("b", 3, 40))],
        &[(&DIVIDE, &["a", "b"])],
    ),
    pattern(
        "A board of {a} {length} is cut into {b} equal pieces. How long is each piece?",
        &["Each piece is {eq}.", "The length of a piece is {eq}."],
        &[("a", Tenths(51, 999)), ("b", Whole(3, 25))],
        &[(&DIVIDE, &["a", "b"])],
    ),
    pattern(
        "A dinner for {b} {people} costs ${a}. If they all pay the same, what does one of them pay?",
        &["Each of them pays {eq}.", "Split evenly, {says}."],
        &[("a", Hundredths(4000, 90_000)), ("b", Whole(3, 40))],
        &[(&DIVIDE, &["a", "b"])],
    ),
    pattern(
        "{name} drives {a} {distance} in {b} hours. How far does {name} drive in one hour on average?",
        &["The average for one hour is {eq}.", "{name} takes {b} hours for {a} {distance}, so {says}."],
        &[("a", Whole(90, 980)), ("b", Tenths(12, 119))],
        &[(&DIVIDE, &["a", "b"])],
    ),
    pattern(
        "The {place} spends {a} dollars in {b} days. How much does it spend a day?",
        &["The spending of a day is {eq}.", "Spread over the days, {says}."],
        &[("a", Grouped(10_000, 800_000)), ("b", Whole(7, 365))],
        &[(&DIVIDE, &["a", "b"])],
    ),
    pattern(
        "What is {a} divided by {b}?",
        &["{Says}.", "Dividing gives {eq}."],
        &[("a", Whole(500, 99_999)), ("b", Whole(3, 490))],
        &[(&DIVIDE, &["a", "b"])],
    ),
    pattern(
        "{a} {item} fill {b} {container} evenly. How many {item} are in one of the {container}?",
        &["One of them holds {eq}.", "The number of {item} in each is {eq}."],
        &[("b", Whole(4, 60)), ("a", Times("b", 6, 90))],
        &[(&DIVIDE, &["a", "b"])],
    ),
];

pub(super) const DIVIDE_TEST: &[Pattern] = &[
    pattern(
        "A prize of {a} dollars is split in equal parts between {b} winners. How many dollars does a winner receive?",
        &["A winner receives {eq}.", "With equal parts, {says}."],
        &[("a", Grouped(5000, 900_000)), ("b", Whole(3, 48))],
        &[(&DIVIDE, &["a", "b"])],
    ),
    pattern(
        "{b} identical {container} weigh {a} {weight} together. How much does a single one weigh?",
        &["A single one weighs {eq}.", "The weight divides evenly, so {says}."],
        &[("a", Tenths(101, 990)), ("b", Whole(3, 45))],
        &[(&DIVIDE, &["a", "b"])],
    ),
    pattern(
        "{name} reads a book of {a} pages in {b} days, the same number every day. How many pages is that a day?",
        &["A day's reading is {eq}.", "For a single day, {says}."],
        &[("b", Whole(4, 40)), ("a", Times("b", 8, 60))],
        &[(&DIVIDE, &["a", "b"])],
    ),
    pattern(
        "A pump moves {a} liters of {liquid} in {b} minutes. How many liters does it move in a minute?",
        &["The pump moves {eq}.", "The liters of one minute: {says}."],
        &[("a", Whole(100, 9900)), ("b", Whole(6, 90))],
        &[(&DIVIDE, &["a", "b"])],
    ),
];
