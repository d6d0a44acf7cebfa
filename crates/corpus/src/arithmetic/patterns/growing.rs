//! Powers, roots, logarithms.

use super::super::numbers::Numbers::{Hundredths, Square, Tenths, Whole};
use super::super::operation::{CUBE, LN, LOG, POWER, SQRT, SQUARE};
use super::{Pattern, pattern};

pub(super) const POWER_TRAIN: &[Pattern] = &[
    pattern(
        "A cube has an edge of {a} {length}. What is its volume?",
        &["The volume of the cube is {eq}.", "A cube's volume is its edge to the third, so {says}."],
        &[("a", Tenths(12, 199))],
        &[(&CUBE, &["a", "3"])],
    ),
    pattern(
        "A square garden has sides of {a} {length}. What is its area?",
        &["The area of the garden is {eq}.", "All sides are equal, so {says}."],
        &[("a", Tenths(31, 899))],
        &[(&SQUARE, &["a", "2"])],
    ),
    pattern(
        "A lock has {b} wheels with {a} symbols each. How many settings are there?",
        &["The number of settings is {eq}.", "Each of the {b} wheels has {a} symbols, so {says}.", "{Says}."],
        &[("a", Whole(4, 26)), ("b", Whole(3, 6))],
        &[(&POWER, &["a", "b"])],
    ),
    pattern(
        "A colony of bacteria becomes {a} times as large every hour. From one cell, how many are there after {b} hours?",
        &["After {b} hours there are {eq}.", "It grows {a} times as large {b} times over, and {says}."],
        &[("a", Whole(2, 7)), ("b", Whole(4, 12))],
        &[(&POWER, &["a", "b"])],
    ),
    pattern(
        "A fund grows by a factor of {a} a year. By which factor does it grow in {b} years?",
        &["The factor is {eq}.", "In {b} years, {says}."],
        &[("a", Hundredths(102, 139)), ("b", Whole(3, 30))],
        &[(&POWER, &["a", "b"])],
    ),
    pattern(
        "What is {a} to the power of {b}?",
        &["{Says}.", "The power is {eq}."],
        &[("a", Whole(3, 99)), ("b", Whole(2, 6))],
        &[(&POWER, &["a", "b"])],
    ),
    pattern(
        "A test has {b} questions with {a} options each. In how many ways can it be filled in?",
        &["Every question can go in {a} ways, so {says}.", "The number of ways to fill it in is {eq}."],
        &[("a", Whole(2, 6)), ("b", Whole(4, 12))],
        &[(&POWER, &["a", "b"])],
    ),
    pattern(
        "What is {a} squared?",
        &["{Says}.", "Squaring gives {eq}."],
        &[("a", Tenths(21, 999))],
        &[(&SQUARE, &["a", "2"])],
    ),
    pattern(
        "How much is {a} cubed?",
        &["{Says}.", "The third power is {eq}."],
        &[("a", Tenths(11, 399))],
        &[(&CUBE, &["a", "3"])],
    ),
    pattern(
        "A box is {a} {length} wide and just as deep and high. How much fits into it?",
        &["Into the box fits {eq}.", "Width, depth and height are equal, so {says}."],
        &[("a", Tenths(13, 149))],
        &[(&CUBE, &["a", "3"])],
    ),
];

pub(super) const POWER_TEST: &[Pattern] = &[
    pattern(
        "Everyone who hears a story tells it to {a} other people the next day. How many people hear it on day {b}?",
        &["On day {b} the number of listeners is {eq}.", "The listeners multiply day by day, so {says}."],
        &[("a", Whole(2, 9)), ("b", Whole(4, 9))],
        &[(&POWER, &["a", "b"])],
    ),
    pattern(
        "A code word has {b} letters from an alphabet of {a}. How many code words are possible?",
        &["The number of code words is {eq}.", "Every letter is free, and {says}."],
        &[("a", Whole(5, 30)), ("b", Whole(3, 7))],
        &[(&POWER, &["a", "b"])],
    ),
    pattern(
        "The price of a house rises by a factor of {a} every year. How many times its price is reached after {b} years?",
        &["The price is multiplied by {eq}.", "After {b} such years, {says}."],
        &[("a", Hundredths(103, 145)), ("b", Whole(4, 25))],
        &[(&POWER, &["a", "b"])],
    ),
    pattern(
        "A cubic water tank measures {a} {length} on every side. How much space is in it?",
        &["The space in the tank is {eq}.", "For a cubic tank, {says}."],
        &[("a", Tenths(11, 159))],
        &[(&CUBE, &["a", "3"])],
    ),
];

pub(super) const SQRT_TRAIN: &[Pattern] = &[
    pattern(
        "A square field has an area of {a} square {length}. How long is one side?",
        &["One side is {eq}.", "The field is square with an area of {a}, so {says}.", "{Says}."],
        &[("a", Square(11, 320))],
        &[(&SQRT, &["a"])],
    ),
    pattern(
        "What is the square root of {a}?",
        &["{Says}.", "The root is {eq}."],
        &[("a", Whole(50, 9999))],
        &[(&SQRT, &["a"])],
    ),
    pattern(
        "{name} tiles a square floor with {a} tiles. How many tiles are in one row?",
        &["The number of tiles in a row is {eq}.", "Rows and columns are equally many, so {says}."],
        &[("a", Square(6, 150))],
        &[(&SQRT, &["a"])],
    ),
    pattern(
        "The square of a number is {a}. What is the number?",
        &["The number is {eq}.", "Undoing the square, {says}."],
        &[("a", Tenths(51, 9999))],
        &[(&SQRT, &["a"])],
    ),
    pattern(
        "The variance of a measurement is {a}. What is its standard deviation?",
        &["The standard deviation is {eq}.", "It is found from the variance: {says}."],
        &[("a", Tenths(12, 999))],
        &[(&SQRT, &["a"])],
    ),
    pattern(
        "A square photo covers {a} square {length}. How wide is it?",
        &["The width of the photo is {eq}.", "A square is as wide as it is high, so {says}."],
        &[("a", Whole(20, 900))],
        &[(&SQRT, &["a"])],
    ),
    pattern(
        "A stone falls for a time in seconds that is the root of {a}. How long does it fall?",
        &["The time in seconds is {eq}.", "For the time of the fall, {says}."],
        &[("a", Tenths(21, 499))],
        &[(&SQRT, &["a"])],
    ),
];

pub(super) const SQRT_TEST: &[Pattern] = &[
    pattern(
        "If x is positive and x times x is {a}, what is x?",
        &["Here x is {eq}.", "We need a root, and {says}."],
        &[("a", Whole(30, 9000))],
        &[(&SQRT, &["a"])],
    ),
    pattern(
        "A square grid has {a} cells. How many cells lie along one edge?",
        &["The cells along one edge number {eq}.", "The grid is as high as it is wide, so {says}."],
        &[("a", Square(7, 200))],
        &[(&SQRT, &["a"])],
    ),
    pattern(
        "{name} has bought a square carpet of {a} square {length}. What is the length of its edge?",
        &["The length of the edge is {eq}.", "The edge of the carpet: {says}."],
        &[("a", Tenths(41, 990))],
        &[(&SQRT, &["a"])],
    ),
    pattern(
        "A parade of {a} {people} forms a full square. How many {people} walk in front?",
        &["The front row has {eq}.", "A full square has equal sides, and {says}."],
        &[("a", Square(5, 90))],
        &[(&SQRT, &["a"])],
    ),
];

pub(super) const LOG_TRAIN: &[Pattern] = &[
    pattern(
        "What is the logarithm of {a} to base 10?",
        &["{Says}.", "The logarithm is {eq}."],
        &[("a", Whole(11, 99_999))],
        &[(&LOG, &["a"])],
    ),
    pattern(
        "To which power must 10 be raised to give {a}?",
        &["The exponent of 10 is {eq}.", "We look for an exponent of 10, so {says}."],
        &[("a", Whole(20, 900_000))],
        &[(&LOG, &["a"])],
    ),
    pattern(
        "One liquid has {a} times the hydrogen ions of another. By how many units of pH do they differ?",
        &["They differ by {eq}.", "A unit of pH is a factor of 10, so {says}.", "{Says}."],
        &[("a", Whole(12, 90_000))],
        &[(&LOG, &["a"])],
    ),
    pattern(
        "A sound is {a} times as intense as another. How many bels lie between the two?",
        &["The step in bels is {eq}.", "A bel is a factor of 10, so {says}."],
        &[("a", Whole(15, 9_000_000))],
        &[(&LOG, &["a"])],
    ),
    pattern(
        "How many orders of magnitude does a factor of {a} span?",
        &["It spans {eq}.", "Counted in powers of 10, {says}."],
        &[("a", Tenths(151, 99_999))],
        &[(&LOG, &["a"])],
    ),
    pattern(
        "Solve 10^x = {a} for x.",
        &["Then x is {eq}.", "Taking logarithms to base 10, {says}."],
        &[("a", Tenths(21, 9999))],
        &[(&LOG, &["a"])],
    ),
    pattern(
        "A culture grows tenfold every day. After how many days is it {a} times as large?",
        &["The number of days is {eq}.", "Each day is a factor of 10, so {says}."],
        &[("a", Whole(5, 5000))],
        &[(&LOG, &["a"])],
    ),
];

pub(super) const LOG_TEST: &[Pattern] = &[
    pattern(
        "How large is the common logarithm of {a}?",
        &["Its size is {eq}.", "With base 10 understood, {says}."],
        &[("a", Whole(12, 500_000))],
        &[(&LOG, &["a"])],
    ),
    pattern(
        "One earthquake shakes the ground {a} times as strongly as another. By how much does the magnitude differ?",
        &["The magnitude differs by {eq}.", "Each step is a factor of 10, and {says}."],
        &[("a", Whole(13, 700_000))],
        &[(&LOG, &["a"])],
    ),
    pattern(
        "A filter lets a tenth of the light through. How many of them in a row leave one part in {a}?",
        &["The number of filters is {eq}.", "The filters are an exponent of 10, so {says}."],
        &[("a", Whole(30, 6000))],
        &[(&LOG, &["a"])],
    ),
    pattern(
        "If 10 to some exponent is {a}, which exponent is it?",
        &["This exponent is {eq}.", "For the exponent, {says}."],
        &[("a", Tenths(31, 99_999))],
        &[(&LOG, &["a"])],
    ),
];

pub(super) const LN_TRAIN: &[Pattern] = &[
    pattern(
        "What is the natural logarithm of {a}?",
        &["{Says}.", "The natural logarithm is {eq}."],
        &[("a", Tenths(11, 9999))],
        &[(&LN, &["a"])],
    ),
    pattern(
        "If e^x = {a}, what is x?",
        &["The value of x is {eq}.", "If e^x = {a}, then {says}."],
        &[("a", Whole(2, 9999))],
        &[(&LN, &["a"])],
    ),
    pattern(
        "To which power must e be raised to give {a}?",
        &["The exponent of e is {eq}.", "We look for an exponent of e, so {says}.", "{Says}."],
        &[("a", Tenths(12, 99_999))],
        &[(&LN, &["a"])],
    ),
    pattern(
        "How large is the area under the curve 1/x between 1 and {a}?",
        &["This area is {eq}.", "The curve 1/x has a known area, and {says}."],
        &[("a", Whole(2, 900))],
        &[(&LN, &["a"])],
    ),
    pattern(
        "After how many time constants has a charge fallen to one part in {a}?",
        &["The number of time constants is {eq}.", "A time constant is a factor of e, so {says}."],
        &[("a", Whole(3, 5000))],
        &[(&LN, &["a"])],
    ),
    pattern(
        "Find ln of {a}.",
        &["We find {eq}.", "To base e, {says}."],
        &[("a", Hundredths(105, 99_999))],
        &[(&LN, &["a"])],
    ),
    pattern(
        "A stock becomes {a} times as large under steady growth. What is its growth exponent?",
        &["The growth exponent is {eq}.", "Growth is steady, so {says}."],
        &[("a", Tenths(11, 899))],
        &[(&LN, &["a"])],
    ),
];

pub(super) const LN_TEST: &[Pattern] = &[
    pattern(
        "For which x does e to the x equal {a}?",
        &["This holds for {eq}.", "Here the base is e, and {says}."],
        &[("a", Whole(3, 9000))],
        &[(&LN, &["a"])],
    ),
    pattern(
        "{name} needs the log of {a} with base e. How large is it?",
        &["What {name} needs is {eq}.", "{name} uses base e, so {says}."],
        &[("a", Tenths(13, 9990))],
        &[(&LN, &["a"])],
    ),
    pattern(
        "Heat leaves a cup of {liquid} until one part in {a} is left. How many decay times is that?",
        &["The number of decay times is {eq}.", "Each decay time divides by e: {says}."],
        &[("a", Whole(2, 800))],
        &[(&LN, &["a"])],
    ),
    pattern(
        "The integral of 1/x from 1 to {a} is asked for. What is it?",
        &["The integral is {eq}.", "The integral is well known, and {says}."],
        &[("a", Hundredths(120, 9999))],
        &[(&LN, &["a"])],
    ),
];
