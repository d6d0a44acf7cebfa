//! Multiples, divisors, remainders.

use super::super::numbers::Numbers::{Multiple, Whole};
use super::super::operation::{GCD, LCM, LCM_THREE, REMAINDER};
use super::{Pattern, pattern};

pub(super) const LCM_TRAIN: &[Pattern] = &[
    pattern(
        "Two buses leave {town} together and come back every {a} and every {b} minutes. When do they next leave together?",
        &["They leave together after {eq}.", "They return every {a} and {b} minutes, so {says}.", "{Says}."],
        &[("a", Whole(6, 60)), ("b", Whole(8, 75))],
        &[(&LCM, &["a", "b"])],
    ),
    pattern(
        "What is the least common multiple of {a} and {b}?",
        &["{Says}.", "The least common multiple is {eq}."],
        &[("a", Whole(4, 180)), ("b", Whole(6, 240))],
        &[(&LCM, &["a", "b"])],
    ),
    pattern(
        "One lamp blinks every {a} seconds and another every {b} seconds. After how many seconds do they blink together?",
        &["They blink together after {eq}.", "Both must fit a whole number of times, so {says}."],
        &[("a", Whole(5, 70)), ("b", Whole(7, 90))],
        &[(&LCM, &["a", "b"])],
    ),
    pattern(
        "Forks come in packs of {a} and spoons in packs of {b}. What is the smallest equal number of both?",
        &["The smallest equal number is {eq}.", "With packs of {a} and packs of {b}, {says}."],
        &[("a", Multiple(2, 2, 30)), ("b", Multiple(3, 2, 30))],
        &[(&LCM, &["a", "b"])],
    ),
    pattern(
        "Three bells ring every {a}, {b} and {c} minutes. How many minutes pass until all ring at once again?",
        &["The number of minutes is {eq}.", "For all three bells, {says}."],
        &[("a", Whole(2, 15)), ("b", Whole(4, 20)), ("c", Whole(6, 25))],
        &[(&LCM_THREE, &["a", "b", "c"])],
    ),
    pattern(
        "What is the lowest number that both {a} and {b} divide?",
        &["The lowest such number is {eq}.", "Both {a} and {b} must divide it, so {says}."],
        &[("a", Multiple(4, 2, 40)), ("b", Multiple(6, 2, 40))],
        &[(&LCM, &["a", "b"])],
    ),
    pattern(
        "{name} waters the cactus every {a} days and the palm every {b} days. After how many days are both due again?",
        &["Both are due after {eq}.", "The two rhythms meet, and {says}."],
        &[("a", Whole(3, 40)), ("b", Whole(4, 50))],
        &[(&LCM, &["a", "b"])],
    ),
];

pub(super) const LCM_TEST: &[Pattern] = &[
    pattern(
        "Two runners circle a track in {a} and {b} seconds. After how many seconds do they cross the line side by side?",
        &["They cross it side by side after {eq}.", "Their laps must come out even, so {says}."],
        &[("a", Whole(40, 95)), ("b", Whole(42, 99))],
        &[(&LCM, &["a", "b"])],
    ),
    pattern(
        "Find the smallest number that is a multiple of {a} and of {b}.",
        &["That smallest number is {eq}.", "As a multiple of both, {says}."],
        &[("a", Whole(5, 150)), ("b", Whole(8, 200))],
        &[(&LCM, &["a", "b"])],
    ),
    pattern(
        "Red tiles are {a} centimeters long and blue tiles {b}. At which length do a red row and a blue row first match?",
        &["The rows match at {eq}.", "Full tiles on both sides: {says}."],
        &[("a", Multiple(2, 3, 30)), ("b", Multiple(5, 2, 20))],
        &[(&LCM, &["a", "b"])],
    ),
    pattern(
        "{name} visits the {place} every {a} days and {name2} every {b} days. How long until they meet there once more?",
        &["The wait in days is {eq}.", "Counting days for both of them, {says}."],
        &[("a", Whole(3, 30)), ("b", Whole(4, 45))],
        &[(&LCM, &["a", "b"])],
    ),
];

pub(super) const GCD_TRAIN: &[Pattern] = &[
    pattern(
        "{name} packs {a} {item} and {b} {item2} into equal {container}. How many {container} can there be at most?",
        &["There can be at most {eq}.", "Both {a} and {b} must divide evenly, so {says}.", "{Says}."],
        &[("a", Multiple(12, 3, 40)), ("b", Multiple(18, 3, 40))],
        &[(&GCD, &["a", "b"])],
    ),
    pattern(
        "What is the greatest common divisor of {a} and {b}?",
        &["{Says}.", "The greatest common divisor is {eq}."],
        &[("a", Multiple(6, 5, 150)), ("b", Multiple(9, 5, 150))],
        &[(&GCD, &["a", "b"])],
    ),
    pattern(
        "Ropes of {a} and {b} {length} are cut into pieces of one length, without waste. How long can the pieces be?",
        &["The pieces can be as long as {eq}.", "No rope is wasted, so {says}."],
        &[("a", Multiple(8, 4, 60)), ("b", Multiple(20, 2, 40))],
        &[(&GCD, &["a", "b"])],
    ),
    pattern(
        "By which number can the fraction {a}/{b} be reduced?",
        &["It can be reduced by {eq}.", "For the fraction {a}/{b}, {says}."],
        &[("a", Multiple(7, 3, 60)), ("b", Multiple(14, 3, 60))],
        &[(&GCD, &["a", "b"])],
    ),
    pattern(
        "What is the largest number that divides both {a} and {b}?",
        &["The largest such number is {eq}.", "It has to divide {a} and {b}, so {says}."],
        &[("a", Multiple(15, 3, 90)), ("b", Multiple(10, 3, 90))],
        &[(&GCD, &["a", "b"])],
    ),
    pattern(
        "A wall of {a} by {b} centimeters is covered with the largest square tiles that fit. How long is a tile's side?",
        &["A tile's side is {eq}.", "The tiles must fit both ways, so {says}."],
        &[("a", Multiple(16, 5, 60)), ("b", Multiple(24, 5, 60))],
        &[(&GCD, &["a", "b"])],
    ),
    pattern(
        "The {worker} sorts {a} red and {b} white beads into identical bracelets. How many bracelets are possible at most?",
        &[
            "The highest possible number of bracelets is {eq}.",
            "Red and white beads come out even, and {says}.",
        ],
        &[("a", Multiple(11, 3, 50)), ("b", Multiple(22, 2, 40))],
        &[(&GCD, &["a", "b"])],
    ),
];

pub(super) const GCD_TEST: &[Pattern] = &[
    pattern(
        "{a} boys and {b} girls form teams that are all alike. What is the largest possible number of teams?",
        &["The largest possible number of teams is {eq}.", "Alike teams need a common divisor, so {says}."],
        &[("a", Multiple(6, 4, 50)), ("b", Multiple(8, 4, 50))],
        &[(&GCD, &["a", "b"])],
    ),
    pattern(
        "Which is the biggest common factor of {a} and {b}?",
        &["The biggest common factor is {eq}.", "Among all common factors, {says}."],
        &[("a", Multiple(12, 4, 90)), ("b", Multiple(21, 4, 60))],
        &[(&GCD, &["a", "b"])],
    ),
    pattern(
        "Two planks measure {a} and {b} {length}. They are sawn into equal parts as long as can be. What does a part measure?",
        &["A part measures {eq}.", "Both planks are used up, so {says}."],
        &[("a", Multiple(14, 4, 60)), ("b", Multiple(35, 2, 30))],
        &[(&GCD, &["a", "b"])],
    ),
    pattern(
        "The {place} makes up gift sets from {a} {item} and {b} {item2} with nothing left. How many sets is the maximum?",
        &["The maximum is {eq}.", "With nothing left, {says}."],
        &[("a", Multiple(9, 4, 70)), ("b", Multiple(15, 4, 60))],
        &[(&GCD, &["a", "b"])],
    ),
];

pub(super) const REMAINDER_TRAIN: &[Pattern] = &[
    pattern(
        "{name} puts {a} {item} into {container} of {b}. How many {item} are left over?",
        &[
            "The number of {item} left over is {eq}.",
            "The full {container} hold {b} each, so {says}.",
            "{Says}.",
        ],
        &[("a", Whole(100, 9999)), ("b", Whole(6, 90))],
        &[(&REMAINDER, &["a", "b"])],
    ),
    pattern(
        "What is the remainder when {a} is divided by {b}?",
        &["{Says}.", "The remainder is {eq}."],
        &[("a", Whole(1000, 99_999)), ("b", Whole(7, 990))],
        &[(&REMAINDER, &["a", "b"])],
    ),
    pattern(
        "{a} {people} form teams of {b}. How many {people} remain without a team?",
        &["The number without a team is {eq}.", "Full teams take {b} {people}, so {says}."],
        &[("a", Whole(60, 3000)), ("b", Whole(4, 40))],
        &[(&REMAINDER, &["a", "b"])],
    ),
    pattern(
        "A clock with {b} hours on its face starts at zero and runs for {a} hours. What hour does it show?",
        &["It shows {eq}.", "It starts over every {b} hours, so {says}."],
        &[("a", Whole(50, 5000)), ("b", Whole(10, 36))],
        &[(&REMAINDER, &["a", "b"])],
    ),
    pattern(
        "A ribbon of {a} {length} is cut into bows of {b} {length}. How much ribbon is left at the end?",
        &["The ribbon left is {eq}.", "After the last full bow, {says}."],
        &[("a", Whole(21, 999)), ("b", Whole(3, 19))],
        &[(&REMAINDER, &["a", "b"])],
    ),
    pattern(
        "The {worker} has {a} eggs and fills cartons of {b}. How many eggs are in the last, unfilled carton?",
        &["The unfilled carton holds {eq}.", "The last carton gets the rest, so {says}."],
        &[("a", Whole(200, 8000)), ("b", Whole(6, 48))],
        &[(&REMAINDER, &["a", "b"])],
    ),
    pattern(
        "What is {a} modulo {b}?",
        &["{Says}.", "Modulo {b}, the rest is {eq}."],
        &[("a", Whole(500, 99_999)), ("b", Whole(11, 499))],
        &[(&REMAINDER, &["a", "b"])],
    ),
];

pub(super) const REMAINDER_TEST: &[Pattern] = &[
    pattern(
        "A ferry takes {b} cars on each full trip, and {a} cars are waiting. How many cars are on its last, smaller trip?",
        &["The last trip takes {eq}.", "When all full trips are made, {says}."],
        &[("a", Whole(100, 4000)), ("b", Whole(12, 96))],
        &[(&REMAINDER, &["a", "b"])],
    ),
    pattern(
        "{name} deals {a} cards evenly to {b} players and keeps the rest. How many cards does {name} keep?",
        &["{name} keeps {eq}.", "What cannot be dealt stays with {name}, so {says}."],
        &[("a", Whole(52, 900)), ("b", Whole(3, 24))],
        &[(&REMAINDER, &["a", "b"])],
    ),
    pattern(
        "If {a} is split into groups of {b}, what stays behind?",
        &["What stays behind is {eq}.", "Outside the groups, {says}."],
        &[("a", Whole(300, 90_000)), ("b", Whole(7, 700))],
        &[(&REMAINDER, &["a", "b"])],
    ),
    pattern(
        "The {place} stacks {a} chairs in piles of {b}. How many chairs do not make a pile?",
        &["The number of chairs outside a pile is {eq}.", "Only full piles count, and {says}."],
        &[("a", Whole(80, 2500)), ("b", Whole(5, 30))],
        &[(&REMAINDER, &["a", "b"])],
    ),
];
