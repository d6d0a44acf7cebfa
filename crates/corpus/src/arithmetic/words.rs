//! Words that fill the slots of sentence patterns.

/// The words of a slot, if it has any. Two slots of one kind in a pattern (`{name}`, `{name2}`) get different words.
pub(super) fn words(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "name" => &[
            "Ada", "Ben", "Carla", "Daniel", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Karim",
            "Lena", "Marta", "Nils", "Olga", "Paul", "Rosa", "Samir", "Tessa", "Victor", "Wanda", "Yusuf",
        ],
        "item" => &[
            "apples",
            "pencils",
            "marbles",
            "stickers",
            "buttons",
            "candles",
            "books",
            "coins",
            "stamps",
            "cups",
            "bricks",
            "postcards",
            "tickets",
            "tulips",
            "batteries",
            "shells",
            "walnuts",
            "ribbons",
        ],
        "thing" => &[
            "lamp", "kettle", "scarf", "notebook", "backpack", "teapot", "jacket", "radio", "blanket",
            "puzzle",
        ],
        "place" => &[
            "bakery",
            "library",
            "school",
            "museum",
            "factory",
            "market",
            "farm",
            "hotel",
            "theater",
            "bookshop",
            "garden center",
            "sports club",
        ],
        "people" => &[
            "students",
            "players",
            "visitors",
            "workers",
            "guests",
            "dancers",
            "singers",
            "hikers",
            "volunteers",
        ],
        "worker" => {
            &["baker", "farmer", "teacher", "gardener", "carpenter", "painter", "tailor", "builder", "potter"]
        }
        "container" => &["boxes", "bags", "crates", "trays", "baskets", "drawers", "jars"],
        "length" => &["meters", "feet", "yards", "centimeters", "inches"],
        "distance" => &["miles", "kilometers"],
        "weight" => &["kilograms", "pounds", "ounces"],
        "liquid" => &["water", "milk", "juice", "paint", "oil", "lemonade"],
        "town" => &[
            "Alder", "Brook", "Corin", "Dunmore", "Eastwell", "Farrow", "Glenby", "Harlow", "Kelton",
            "Marrow", "Norbury",
        ],
        "day" => &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        "color" => &["red", "blue", "green", "yellow", "white", "black", "brown", "purple", "gray", "pink"],
        "animal" => &["horse", "goat", "dog", "cat", "parrot", "rabbit", "turtle", "donkey", "sheep", "duck"],
        "sport" => {
            &["tennis", "chess", "football", "volleyball", "hockey", "badminton", "rugby", "basketball"]
        }
        _ => return None,
    })
}
