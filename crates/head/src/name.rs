//! Tool names as words.

/// A tool's name as the words it is made of: brackets dropped, `snake_case` and `camelCase` split.
///
/// ```
/// use toolken_head::words_of_name;
/// assert_eq!(words_of_name("<gcd_>"), "gcd");
/// assert_eq!(words_of_name("[school_district]"), "school district");
/// assert_eq!(words_of_name("getHTTPStatus"), "get HTTP Status");
/// ```
pub fn words_of_name(name: &str) -> String {
    let mut words = String::new();
    let letters: Vec<char> = bare_name(name).chars().collect();
    for (i, &c) in letters.iter().enumerate() {
        if matches!(c, '_' | '-' | '.' | '/' | ':') || c.is_whitespace() {
            words.push(' ');
            continue;
        }
        let before = i.checked_sub(1).map(|i| letters[i]);
        let after = letters.get(i + 1);
        let starts_word = c.is_uppercase()
            && before.is_some_and(|b| {
                b.is_lowercase() || (b.is_uppercase() && after.is_some_and(|a| a.is_lowercase()))
            });
        if starts_word {
            words.push(' ');
        }
        words.push(c);
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A tool's name without brackets, otherwise as it is: what the authors' release feeds to the model.
pub fn bare_name(name: &str) -> String {
    name.chars().filter(|c| !"<>[](){}".contains(*c)).collect()
}
