//! Selections and orders.

use super::super::numbers::Numbers::Whole;
use super::super::operation::{CHOOSE, PERMUTATE};
use super::{Pattern, pattern};

pub(super) const CHOOSE_TRAIN: &[Pattern] = &[
    pattern(
        "{name} has {a} books and takes {b} of them along. How many selections are possible?",
        &[
            "The number of selections is {eq}.",
            "The order of the {b} books does not matter, so {says}.",
            "{Says}.",
        ],
        &[("a", Whole(7, 30)), ("b", Whole(2, 6))],
        &[(&CHOOSE, &["a", "b"])],
    ),
    pattern(
        "In how many ways can a committee of {b} be formed from {a} {people}?",
        &["The number of committees is {eq}.", "A committee has no order, so {says}."],
        &[("a", Whole(8, 32)), ("b", Whole(2, 6))],
        &[(&CHOOSE, &["a", "b"])],
    ),
    pattern(
        "How many combinations of {b} out of {a} are there?",
        &["{Says}.", "The number of combinations is {eq}."],
        &[("a", Whole(7, 40)), ("b", Whole(2, 6))],
        &[(&CHOOSE, &["a", "b"])],
    ),
    pattern(
        "A bowl holds {a} different sweets. In how many ways can {name} pick {b} of them at once?",
        &["The number of ways to pick is {eq}.", "Picking at once means no order, so {says}."],
        &[("a", Whole(7, 28)), ("b", Whole(3, 6))],
        &[(&CHOOSE, &["a", "b"])],
    ),
    pattern(
        "Everyone of {a} {people} shakes hands with everyone else. How many handshakes is that?",
        &["The number of handshakes is {eq}.", "Every pair shakes hands once, so {says}."],
        &[("a", Whole(6, 300))],
        &[(&CHOOSE, &["a", "2"])],
    ),
    pattern(
        "A lottery draws {b} of {a} numbers. How many different tickets can be filled in?",
        &["The number of different tickets is {eq}.", "A ticket is a set of numbers, and {says}."],
        &[("a", Whole(12, 49)), ("b", Whole(3, 6))],
        &[(&CHOOSE, &["a", "b"])],
    ),
    pattern(
        "From {a} kinds of tea, the {place} puts {b} kinds into a mix. How many mixes are there?",
        &["The number of mixes is {eq}.", "Only which kinds are in it counts, so {says}."],
        &[("a", Whole(8, 26)), ("b", Whole(2, 5))],
        &[(&CHOOSE, &["a", "b"])],
    ),
];

pub(super) const CHOOSE_TEST: &[Pattern] = &[
    pattern(
        "A pizza gets {b} of {a} toppings. How many different pizzas can be ordered?",
        &["The number of different pizzas is {eq}.", "The toppings lie in no order, so {says}."],
        &[("a", Whole(8, 30)), ("b", Whole(2, 6))],
        &[(&CHOOSE, &["a", "b"])],
    ),
    pattern(
        "{name} may invite {b} of {a} friends. How many guest lists are possible?",
        &["The number of guest lists is {eq}.", "A guest list has no order, and {says}."],
        &[("a", Whole(7, 26)), ("b", Whole(2, 6))],
        &[(&CHOOSE, &["a", "b"])],
    ),
    pattern(
        "How many subsets with {b} members does a set of {a} have?",
        &["The number of such subsets is {eq}.", "For subsets, {says}."],
        &[("a", Whole(9, 40)), ("b", Whole(2, 6))],
        &[(&CHOOSE, &["a", "b"])],
    ),
    pattern(
        "A teacher calls {b} of {a} pupils to the board together. How many groups could it be?",
        &["The number of groups is {eq}.", "They are called together, so {says}."],
        &[("a", Whole(12, 34)), ("b", Whole(2, 5))],
        &[(&CHOOSE, &["a", "b"])],
    ),
];

pub(super) const PERMUTATE_TRAIN: &[Pattern] = &[
    pattern(
        "{a} runners are in a race. In how many orders can the first {b} places be taken?",
        &["The number of orders is {eq}.", "The first {b} places have an order, so {says}.", "{Says}."],
        &[("a", Whole(6, 24)), ("b", Whole(2, 6))],
        &[(&PERMUTATE, &["a", "b"])],
    ),
    pattern(
        "In how many ways can {b} of {a} books be arranged on a shelf?",
        &["The number of arrangements is {eq}.", "On a shelf order matters, so {says}."],
        &[("a", Whole(6, 22)), ("b", Whole(2, 6))],
        &[(&PERMUTATE, &["a", "b"])],
    ),
    pattern(
        "How many permutations of {b} out of {a} are there?",
        &["{Says}.", "The number of permutations is {eq}."],
        &[("a", Whole(6, 30)), ("b", Whole(2, 6))],
        &[(&PERMUTATE, &["a", "b"])],
    ),
    pattern(
        "A club of {a} {people} elects {b} people to {b} different offices. How many outcomes are there?",
        &["The number of outcomes is {eq}.", "The offices differ, so {says}."],
        &[("a", Whole(7, 30)), ("b", Whole(2, 5))],
        &[(&PERMUTATE, &["a", "b"])],
    ),
    pattern(
        "{name} lines up {b} of {a} toy cars. How many different lines are possible?",
        &["The number of different lines is {eq}.", "A line has a front and a back, so {says}."],
        &[("a", Whole(6, 20)), ("b", Whole(3, 6))],
        &[(&PERMUTATE, &["a", "b"])],
    ),
    pattern(
        "A flag has {b} stripes in different colors, taken from {a} colors. How many flags can be made?",
        &["The number of flags is {eq}.", "Stripes in another order make another flag, and {says}."],
        &[("a", Whole(6, 18)), ("b", Whole(2, 5))],
        &[(&PERMUTATE, &["a", "b"])],
    ),
    pattern(
        "{b} {people} sit down on {a} numbered chairs. In how many ways can they sit?",
        &["The number of seatings is {eq}.", "Every chair has its number, so {says}."],
        &[("a", Whole(7, 25)), ("b", Whole(2, 6))],
        &[(&PERMUTATE, &["a", "b"])],
    ),
    pattern(
        "In how many orders can {name} visit {b} of {a} towns?",
        &["The number of orders to visit them is {eq}.", "The visits come one after another, so {says}."],
        &[("a", Whole(6, 20)), ("b", Whole(2, 6))],
        &[(&PERMUTATE, &["a", "b"])],
    ),
    pattern(
        "A password takes {b} of {a} signs, none of them twice. How many passwords are there?",
        &["The number of passwords is {eq}.", "No sign comes twice and the order matters, so {says}."],
        &[("a", Whole(8, 30)), ("b", Whole(2, 5))],
        &[(&PERMUTATE, &["a", "b"])],
    ),
];

pub(super) const PERMUTATE_TEST: &[Pattern] = &[
    pattern(
        "A code has {b} different letters taken from {a}, and their order counts. How many codes are there?",
        &["The number of codes is {eq}.", "As the order counts, {says}."],
        &[("a", Whole(6, 26)), ("b", Whole(2, 5))],
        &[(&PERMUTATE, &["a", "b"])],
    ),
    pattern(
        "{name} plays {b} of {a} songs one after the other. How many programs can {name} choose from?",
        &["The number of programs is {eq}.", "A program has a sequence, so {says}."],
        &[("a", Whole(7, 24)), ("b", Whole(2, 6))],
        &[(&PERMUTATE, &["a", "b"])],
    ),
    pattern(
        "Gold, silver and bronze go to three of {a} swimmers. In how many ways can the medals be handed out?",
        &["The number of ways to hand out the medals is {eq}.", "The medals are not alike, so {says}."],
        &[("a", Whole(5, 90))],
        &[(&PERMUTATE, &["a", "3"])],
    ),
    pattern(
        "A guide leads {name} to {b} of {a} sights, in some sequence. How many tours does that make?",
        &["The number of tours is {eq}.", "Each sequence is a tour of its own, and {says}."],
        &[("a", Whole(6, 20)), ("b", Whole(2, 6))],
        &[(&PERMUTATE, &["a", "b"])],
    ),
];
