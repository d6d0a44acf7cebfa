//! Problems of two and three steps, where a later step uses an earlier result.

use super::super::numbers::Numbers::{Hundredths, Multiple, Percent, Square, Tenths, Whole};
use super::super::operation::{
    ADD, ADD_THREE, CHOOSE, CUBE, DIVIDE, GCD, LCM, LN, LOG, MULTIPLY, PERMUTATE, POWER, REMAINDER, SHARE,
    SQRT, SQUARE, SUBTRACT,
};
use super::{Pattern, pattern};

pub(super) const TRAIN: &[Pattern] = &[
    pattern(
        "{name} buys {a} {container} with {b} {item} each and loses {c} of the {item}. How many {item} are left?",
        &["First, {says1}. Then {says2}.", "{name} buys {eq1} of them. Without the lost ones, {says2}."],
        &[("a", Whole(5, 40)), ("b", Whole(12, 60)), ("c", Whole(3, 50))],
        &[(&MULTIPLY, &["a", "b"]), (&SUBTRACT, &["r1", "c"])],
    ),
    pattern(
        "{a} children and {b} adults go on a trip in {c} buses. How many people are in a bus on average?",
        &["All people together: {says1}. A bus holds {eq2}.", "{Says1}, and per bus {says2}."],
        &[("a", Whole(40, 300)), ("b", Whole(6, 60)), ("c", Whole(3, 20))],
        &[(&ADD, &["a", "b"]), (&DIVIDE, &["r1", "c"])],
    ),
    pattern(
        "A coat costs ${a}, and the shop takes off {p}. What does the coat cost now?",
        &[
            "The discount is {eq1}. The new price is {eq2}.",
            "First we find the discount: {says1}. So {says2}.",
        ],
        &[("a", Whole(30, 600)), ("p", Percent(5, 60))],
        &[(&SHARE, &["p", "a"]), (&SUBTRACT, &["a", "r1"])],
    ),
    pattern(
        "A square plot has an area of {a} square {length}. A fence goes all around it. How long is the fence?",
        &[
            "One side measures {eq1}. The fence measures {eq2}.",
            "For the side, {says1}. For four sides, {says2}.",
        ],
        &[("a", Square(8, 150))],
        &[(&SQRT, &["a"]), (&MULTIPLY, &["r1", "4"])],
    ),
    pattern(
        "{name} has {a} {item}, finds {b} more and packs them in {container} of {c}. How many {item} do not fill one?",
        &["The number in all is {eq1}. The number left over is {eq2}.", "{Says1}. After packing, {says2}."],
        &[("a", Whole(60, 900)), ("b", Whole(15, 200)), ("c", Whole(7, 36))],
        &[(&ADD, &["a", "b"]), (&REMAINDER, &["r1", "c"])],
    ),
    pattern(
        "A savings account holds ${a} and grows by a factor of {g} every year. What does it hold after {n} years?",
        &[
            "Over {n} years the factor is {eq1}. The account then holds {eq2}.",
            "First {says1}. Next, {says2}.",
        ],
        &[("a", Whole(200, 9000)), ("g", Hundredths(102, 119)), ("n", Whole(3, 20))],
        &[(&POWER, &["g", "n"]), (&MULTIPLY, &["a", "r1"])],
    ),
    pattern(
        "Two trains pass {town} every {a} and every {b} minutes. How many of their common cycles fit into {c} minutes?",
        &["The common cycle is {eq1}. Into the whole time it fits {eq2}.", "{Says1}, so {says2}."],
        &[("a", Whole(4, 24)), ("b", Whole(6, 30)), ("c", Whole(1000, 9000))],
        &[(&LCM, &["a", "b"]), (&DIVIDE, &["c", "r1"])],
    ),
    pattern(
        "{a} roses and {b} lilies are bound into as many equal bunches as possible. How many roses are in a bunch?",
        &["The number of bunches is {eq1}. Each of them has {eq2}.", "{Says1}. Sharing the roses, {says2}."],
        &[("a", Multiple(12, 4, 40)), ("b", Multiple(18, 3, 30))],
        &[(&GCD, &["a", "b"]), (&DIVIDE, &["a", "r1"])],
    ),
    pattern(
        "A team needs {b} of {a} players and a captain out of {c} coaches. How many line-ups are there?",
        &[
            "For the players, {says1}. With a captain each, {says2}.",
            "The number of teams is {eq1}. The number of line-ups is {eq2}.",
        ],
        &[("a", Whole(8, 20)), ("b", Whole(2, 5)), ("c", Whole(2, 9))],
        &[(&CHOOSE, &["a", "b"]), (&MULTIPLY, &["r1", "c"])],
    ),
    pattern(
        "A hall has {a} rows of {b} seats. {c} seats are broken and {d} are reserved. How many can be sold?",
        &[
            "All seats: {says1}. Without the broken ones: {says2}. Without the reserved ones: {says3}.",
            "{Says1}, then {says2}, then {says3}.",
        ],
        &[("a", Whole(20, 60)), ("b", Whole(18, 50)), ("c", Whole(3, 40)), ("d", Whole(10, 190))],
        &[(&MULTIPLY, &["a", "b"]), (&SUBTRACT, &["r1", "c"]), (&SUBTRACT, &["r2", "d"])],
    ),
    pattern(
        "The {worker} sells {a}, {b} and {c} {item} in three days, at ${m} each. What is the income of an average day?",
        &[
            "The number sold is {eq1}. The income is {eq2}. A day's average is {eq3}.",
            "We add: {says1}. We multiply: {says2}. We divide: {says3}.",
        ],
        &[("a", Whole(20, 200)), ("b", Whole(20, 200)), ("c", Whole(20, 200)), ("m", Hundredths(105, 2990))],
        &[(&ADD_THREE, &["a", "b", "c"]), (&MULTIPLY, &["r1", "m"]), (&DIVIDE, &["r2", "3"])],
    ),
    pattern(
        "A signal becomes {a} times stronger, then {b} times stronger again. How many bels is that together?",
        &[
            "Both factors multiply: {says1}. In bels that is {eq2}.",
            "The whole factor is {eq1}. Its size in bels: {says2}.",
        ],
        &[("a", Whole(3, 90)), ("b", Whole(4, 120))],
        &[(&MULTIPLY, &["a", "b"]), (&LOG, &["r1"])],
    ),
    pattern(
        "Two square rugs have sides of {a} and {b} {length}. What is their area together?",
        &[
            "One rug covers {eq1}, the other {eq2}. Together they cover {eq3}.",
            "The first rug: {says1}. The second rug: {says2}. Both rugs: {says3}.",
        ],
        &[("a", Tenths(11, 59)), ("b", Tenths(21, 99))],
        &[(&SQUARE, &["a", "2"]), (&SQUARE, &["b", "2"]), (&ADD, &["r1", "r2"])],
    ),
    pattern(
        "A cube of ice has an edge of {a} {length}. How much ice is in {b} such cubes?",
        &["One cube holds {eq1}. All cubes hold {eq2}.", "A single cube: {says1}. All {b} of them: {says2}."],
        &[("a", Tenths(11, 99)), ("b", Whole(3, 60))],
        &[(&CUBE, &["a", "3"]), (&MULTIPLY, &["r1", "b"])],
    ),
    pattern(
        "Two fields cover {a} and {b} square {length}. How long is the side of a square field as large as both?",
        &[
            "Both fields cover {eq1}. The side has to be {eq2}.",
            "First both fields: {says1}. Then its side: {says2}.",
        ],
        &[("a", Whole(30, 900)), ("b", Whole(30, 900))],
        &[(&ADD, &["a", "b"]), (&SQRT, &["r1"])],
    ),
    pattern(
        "In each of {c} races, a clerk notes the first {b} of {a} horses in order. How many notes could there be in all?",
        &[
            "One race has {eq1}. All races have {eq2}.",
            "For a race, {says1}. For the races together, {says2}.",
        ],
        &[("a", Whole(6, 16)), ("b", Whole(2, 4)), ("c", Whole(3, 12))],
        &[(&PERMUTATE, &["a", "b"]), (&MULTIPLY, &["r1", "c"])],
    ),
    pattern(
        "A culture of {a} grams grows to {b} grams. What is the natural logarithm of its growth?",
        &[
            "It has grown by a factor of {eq1}. The logarithm of that is {eq2}.",
            "The growth: {says1}. Its logarithm: {says2}.",
        ],
        &[("a", Tenths(11, 199)), ("b", Whole(30, 990))],
        &[(&DIVIDE, &["b", "a"]), (&LN, &["r1"])],
    ),
    pattern(
        "Of {a} {item}, {b} are broken, and the rest go into {c} {container} evenly. How many go into each?",
        &[
            "The rest is {eq1}. Into each go {eq2}.",
            "We first leave out the broken ones: {says1}. After that, {says2}.",
        ],
        &[("a", Whole(300, 990)), ("b", Whole(11, 90)), ("c", Whole(3, 20))],
        &[(&SUBTRACT, &["a", "b"]), (&DIVIDE, &["r1", "c"])],
    ),
    pattern(
        "The {worker} has earned ${a} a week and gets a raise of {p}. What does the {worker} earn now?",
        &["The raise is {eq1}. The new pay is {eq2}.", "On the raise we find: {says1}. With it, {says2}."],
        &[("a", Whole(200, 1900)), ("p", Percent(2, 30))],
        &[(&SHARE, &["p", "a"]), (&ADD, &["a", "r1"])],
    ),
    pattern(
        "{b} of {a} flags are hoisted one above the other, on one of {c} masts. How many signals can be given?",
        &[
            "On one mast, {says1}. On any mast, {says2}.",
            "A single mast can show {eq1}. All masts can show {eq2}.",
        ],
        &[("a", Whole(5, 14)), ("b", Whole(2, 4)), ("c", Whole(2, 7))],
        &[(&PERMUTATE, &["a", "b"]), (&MULTIPLY, &["r1", "c"])],
    ),
    pattern(
        "What is the square root of {a} times {b}?",
        &["The product is {eq1}. The root of it is {eq2}.", "Under the root, {says1}. Taking it, {says2}."],
        &[("a", Whole(3, 99)), ("b", Whole(11, 300))],
        &[(&MULTIPLY, &["a", "b"]), (&SQRT, &["r1"])],
    ),
    pattern(
        "What is the natural logarithm of the sum of {a} and {b}?",
        &[
            "The sum is {eq1}. Its logarithm to base e is {eq2}.",
            "First the sum: {says1}. Then the logarithm: {says2}.",
        ],
        &[("a", Tenths(11, 999)), ("b", Whole(2, 900))],
        &[(&ADD, &["a", "b"]), (&LN, &["r1"])],
    ),
    pattern(
        "What remains when {a} times {b} is divided by {c}?",
        &[
            "The product is {eq1}. What remains of it is {eq2}.",
            "We multiply first: {says1}. Dividing leaves a rest, and {says2}.",
        ],
        &[("a", Whole(6, 99)), ("b", Whole(12, 200)), ("c", Whole(5, 49))],
        &[(&MULTIPLY, &["a", "b"]), (&REMAINDER, &["r1", "c"])],
    ),
];

pub(super) const TEST: &[Pattern] = &[
    pattern(
        "A baker bakes {a} trays of {b} rolls and sells {c} rolls. How many rolls remain in the evening?",
        &[
            "The baker bakes {eq1}. The number that remains is {eq2}.",
            "To begin with, {says1}. In the evening, {says2}.",
        ],
        &[("a", Whole(8, 45)), ("b", Whole(12, 48)), ("c", Whole(20, 90))],
        &[(&MULTIPLY, &["a", "b"]), (&SUBTRACT, &["r1", "c"])],
    ),
    pattern(
        "Prices at the {place} rise by {p}. What is the new price of a {thing} that cost ${a}?",
        &[
            "The rise comes to this: {says1}. It now costs {eq2}.",
            "The rise is {eq1}. The price is now {eq2}.",
        ],
        &[("a", Whole(20, 500)), ("p", Percent(2, 45))],
        &[(&SHARE, &["p", "a"]), (&ADD, &["a", "r1"])],
    ),
    pattern(
        "A ladder's foot is {a} {length} from the wall and its top {b} {length} high. What is the square of its length?",
        &[
            "Along the floor, {says1}. Up the wall, {says2}. Together {says3}.",
            "The squares are {eq1} and {eq2}. Their total is {eq3}.",
        ],
        &[("a", Tenths(11, 99)), ("b", Tenths(21, 199))],
        &[(&SQUARE, &["a", "2"]), (&SQUARE, &["b", "2"]), (&ADD, &["r1", "r2"])],
    ),
    pattern(
        "{a} cards are dealt in equal hands to {b} players, but {c} cards were missing. How many cards are not dealt?",
        &[
            "The number of cards in play is {eq1}. What cannot be dealt is {eq2}.",
            "The deck is smaller, since {says1}. In the end, {says2}.",
        ],
        &[("a", Whole(80, 400)), ("c", Whole(3, 20)), ("b", Whole(4, 17))],
        &[(&SUBTRACT, &["a", "c"]), (&REMAINDER, &["r1", "b"])],
    ),
    pattern(
        "{b} of {a} actors take {b} different roles, and there are {c} stages. How many castings are possible?",
        &[
            "For one stage, {says1}. For all stages, {says2}.",
            "One stage allows {eq1}. The stages allow {eq2}.",
        ],
        &[("a", Whole(6, 15)), ("b", Whole(2, 4)), ("c", Whole(2, 9))],
        &[(&PERMUTATE, &["a", "b"]), (&MULTIPLY, &["r1", "c"])],
    ),
    pattern(
        "A colony of {a} cells divides until it has {b} times {c} cells. What is the natural logarithm of the final number?",
        &[
            "The final number is {eq1}. Its natural logarithm is {eq2}.",
            "For the final number, {says1}. To base e we find {eq2}.",
        ],
        &[("a", Whole(2, 99)), ("b", Whole(5, 90)), ("c", Whole(10, 200))],
        &[(&MULTIPLY, &["b", "c"]), (&LN, &["r1"])],
    ),
];
