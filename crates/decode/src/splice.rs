//! Putting a call and its result into the text: the space before it, and the number it must stay.

use lm::Tokenizer;

/// The space that goes before a call or a result: none after white space, after one of `= $ ( < ^ * / + -`, or where
/// there is no text yet.
///
/// So the first token of a result is the one that the span had in training, where a space belongs to the span.
pub(crate) fn space_after(text: &[u8]) -> &'static str {
    let tail = String::from_utf8_lossy(&text[text.len().saturating_sub(4)..]);
    match tail.chars().next_back() {
        None => "",
        Some(last) if last.is_whitespace() || "=$(<^*/+-".contains(last) => "",
        Some(_) => " ",
    }
}

/// The words that would lengthen a number before them: those that begin with a digit, or with a decimal point or a
/// thousands separator and a digit. A lone point is not among them: it ends sentences.
pub(crate) fn number_continuations(tokenizer: &Tokenizer) -> Vec<u32> {
    (0..tokenizer.vocab_size() as u32).filter(|&id| continues_number(tokenizer.token_bytes(id))).collect()
}

fn continues_number(token: &[u8]) -> bool {
    matches!(token, [b'0'..=b'9', ..] | [b'.' | b',', b'0'..=b'9', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_space_rule() {
        for text in ["is", "costs 5", "so:", "x)", "[WALK]", "50%", "é", "\"", "٣", "…", "a,", "a;", ">"]
        {
            assert_eq!(space_after(text.as_bytes()), " ", "{text:?}");
        }
        for text in [
            "",
            "is ",
            "Plan:\n",
            "\t",
            "a\u{a0}",
            "a\u{3000}",
            "1+2=",
            "$",
            "(",
            "<",
            "2^",
            "3*",
            "6/",
            "+",
            "-",
        ] {
            assert_eq!(space_after(text.as_bytes()), "", "{text:?}");
        }
        assert_eq!(space_after(b"half a character \xe2\x82"), " ");
    }

    #[test]
    fn what_lengthens_a_number_and_what_may_follow_one() {
        for token in ["5", "42", ".5", ",000", "0 apples", "7%"] {
            assert!(continues_number(token.as_bytes()), "{token:?}");
        }
        for token in ["", ".", ",", " 5", " apples", "%", "-5", "x1", ". 5", ")", "..5"] {
            assert!(!continues_number(token.as_bytes()), "{token:?}");
        }
    }
}
