//! What the thirteen functions are called, what they are for, and how a use of them reads.

use super::Function;

pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) examples: &'static [&'static str],
}

impl Function {
    pub(super) fn entry(self) -> &'static Entry {
        match self {
            Self::Add => &ADD,
            Self::Subtract => &SUBTRACT,
            Self::Multiply => &MULTIPLY,
            Self::Divide => &DIVIDE,
            Self::Power => &POWER,
            Self::Sqrt => &SQRT,
            Self::Log => &LOG,
            Self::Ln => &LN,
            Self::Lcm => &LCM,
            Self::Gcd => &GCD,
            Self::Remainder => &REMAINDER,
            Self::Choose => &CHOOSE,
            Self::Permutate => &PERMUTATE,
        }
    }
}

const ADD: Entry = Entry {
    name: "add",
    description: "Adds numbers: the sum, the total of all together.",
    examples: &[
        "Q: A baker sold 128 rolls in the morning and 95 in the afternoon. How many did she sell?\n\
         A: She sold 128+95=<add>(128, 95)=223 rolls.",
        "Q: A parcel weighs 2.75 kg and its box 0.4 kg. What do they weigh together?\n\
         A: Together they weigh 2.75+0.4=<add>(2.75, 0.4)=3.15 kg.",
    ],
};

const SUBTRACT: Entry = Entry {
    name: "subtract",
    description: "Subtracts numbers: the difference, what is left over after taking away.",
    examples: &[
        "Q: A tank held 5310 litres and 1874 were used. How many are left?\n\
         A: There are 5310-1874=<subtract>(5310, 1874)=3436 litres left.",
        "Q: The rope was 12.5 m long. Lea cut off 4.75 m. How long is it now?\n\
         A: The rope is now 12.5-4.75=<subtract>(12.5, 4.75)=7.75 m long.",
    ],
};

const MULTIPLY: Entry = Entry {
    name: "multiply",
    description: "Multiplies numbers: the product, so many times as much.",
    examples: &[
        "Q: A hall has 46 rows of 38 seats. How many seats are there?\n\
         A: There are 46*38=<multiply>(46, 38)=1748 seats.",
        "Q: What is 15% of 640?\n\
         A: 15% of 640 is 0.15*640=<multiply>(0.15, 640)=96.",
    ],
};

const DIVIDE: Entry = Entry {
    name: "divide",
    description: "Divides a number by another: the quotient, a share, a rate, a ratio.",
    examples: &[
        "Q: Seven friends share 1519 stickers equally. How many does each get?\n\
         A: Each gets 1519/7=<divide>(1519, 7)=217 stickers.",
        "Q: A train covers 405 km in 4.5 hours. What is its speed?\n\
         A: Its speed is 405/4.5=<divide>(405, 4.5)=90 km an hour.",
    ],
};

const POWER: Entry = Entry {
    name: "power",
    description: "Raises a number to a power: repeated multiplication, growth, an exponent.",
    examples: &[
        "Q: A culture doubles every hour. By what factor does it grow in 13 hours?\n\
         A: It grows by a factor of 2^13=<power>(2, 13)=8192.",
        "Q: What is 1.06 to the power of 8?\n\
         A: 1.06 to the power of 8 is <power>(1.06, 8)=1.59.",
    ],
};

const SQRT: Entry = Entry {
    name: "sqrt",
    description: "Takes the square root: the side of a square of a given area.",
    examples: &[
        "Q: A square garden has an area of 1764 square metres. How long is a side?\n\
         A: A side is sqrt(1764)=<sqrt>(1764)=42 m long.",
        "Q: What is the square root of 57.3?\n\
         A: The square root of 57.3 is <sqrt>(57.3)=7.57.",
    ],
};

const LOG: Entry = Entry {
    name: "log",
    description: "Takes the logarithm to base ten: orders of magnitude, decibels, acidity.",
    examples: &[
        "Q: What is the decimal logarithm of 4800?\n\
         A: The decimal logarithm of 4800 is <log>(4800)=3.68.",
        "Q: To what power must 10 be raised to give 0.025?\n\
         A: 10 must be raised to log(0.025)=<log>(0.025)=-1.6.",
    ],
};

const LN: Entry = Entry {
    name: "ln",
    description: "Takes the natural logarithm, to base e: times of growth and decay.",
    examples: &[
        "Q: What is the natural logarithm of 350?\n\
         A: The natural logarithm of 350 is <ln>(350)=5.86.",
        "Q: For which x is e^x = 12.4?\n\
         A: It is so for x = ln(12.4)=<ln>(12.4)=2.52.",
    ],
};

const LCM: Entry = Entry {
    name: "lcm",
    description: "Finds the least common multiple of whole numbers: when cycles meet again.",
    examples: &[
        "Q: One bus leaves every 18 minutes, another every 24. After how many minutes do they leave together again?\n\
         A: They leave together again after <lcm>(18, 24)=72 minutes.",
        "Q: What is the smallest number that 6, 10 and 45 divide?\n\
         A: The smallest number that they divide is <lcm>(6, 10, 45)=90.",
    ],
};

const GCD: Entry = Entry {
    name: "gcd",
    description: "Finds the greatest common divisor of whole numbers: the largest equal parts.",
    examples: &[
        "Q: A floor of 540 cm by 396 cm is laid with square tiles, none of them cut. How large can they be?\n\
         A: They can be <gcd>(540, 396)=36 cm wide.",
        "Q: What is the greatest common divisor of 84, 126 and 210?\n\
         A: The greatest common divisor is <gcd>(84, 126, 210)=42.",
    ],
};

const REMAINDER: Entry = Entry {
    name: "remainder",
    description: "Finds the remainder of a division of whole numbers: what does not fill another part.",
    examples: &[
        "Q: 1000 bottles go into crates of 24. How many are left over?\n\
         A: There are 1000 mod 24=<remainder>(1000, 24)=16 bottles left over.",
        "Q: What is 7315 modulo 62?\n\
         A: 7315 modulo 62 is <remainder>(7315, 62)=61.",
    ],
};

const CHOOSE: Entry = Entry {
    name: "choose",
    description: "Counts the ways to choose some of many where the order does not matter: combinations.",
    examples: &[
        "Q: In how many ways can a team of 4 be picked from 17 players?\n\
         A: The team can be picked in 17C4=<choose>(17, 4)=2380 ways.",
        "Q: How many pairs are there among 30 people?\n\
         A: Among 30 people there are <choose>(30, 2)=435 pairs.",
    ],
};

const PERMUTATE: Entry = Entry {
    name: "permutate",
    description: "Counts the ways to arrange some of many where the order matters: permutations.",
    examples: &[
        "Q: In how many orders can the first 3 of 11 runners finish?\n\
         A: They can finish in 11P3=<permutate>(11, 3)=990 orders.",
        "Q: How many ways are there to line up 6 books?\n\
         A: There are <permutate>(6, 6)=720 ways to line them up.",
    ],
};
