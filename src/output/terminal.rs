//! Names come from strangers: a buyer, a shop, a marketplace. None of them may move our cursor, ring, or turn the
//! reading direction of a line (rule S25 of the security notes).

use std::borrow::Cow;

/// What stands where something was taken out, so that a changed name does not look like another.
pub const REPLACED: char = '\u{fffd}';

/// Characters that act on a terminal or hide text: controls (C0, DEL, C1), marks and overrides of direction, line
/// separators, invisible blanks. The joiners U+200C and U+200D stay, for scripts and emoji need them.
pub const fn is_unsafe(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
    )
}

/// A text for one line of a terminal: line breaks and tabs are blanks, what acts is [`REPLACED`].
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(safe).collect())
}

/// A text of our own with several lines: as [`clean`], and its line breaks stay.
pub fn clean_lines(text: &str) -> String {
    text.chars()
        .map(|c| if c == '\n' { c } else { safe(c) })
        .collect()
}

const fn safe(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        c if is_unsafe(c) => REPLACED,
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_pass_as_they_are() {
        for text in [
            "",
            "größe",
            "SKU-1 + 2",
            "שלום",
            "日本",
            "👩\u{200d}🚀",
            "نام\u{200c}ها",
            "a\u{a0}b",
        ] {
            assert!(matches!(clean(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_acts_on_a_terminal_does_not_pass() {
        for (text, shown) in [
            ("\u{1b}[2J", "\u{fffd}[2J"),
            ("\u{9b}2J", "\u{fffd}2J"),
            ("a\u{7}", "a\u{fffd}"),
            ("a\u{8}b", "a\u{fffd}b"),
            ("a\0b", "a\u{fffd}b"),
            ("a\nb\r\nc\td", "a b  c d"),
            ("abc\u{202e}gnp.exe", "abc\u{fffd}gnp.exe"),
            ("\u{2066}x\u{2069}", "\u{fffd}x\u{fffd}"),
            ("\u{200f}x", "\u{fffd}x"),
            ("SKU\u{200b}1", "SKU\u{fffd}1"),
            ("\u{feff}x", "\u{fffd}x"),
            ("a\u{2028}b", "a\u{fffd}b"),
            ("\u{7f}", "\u{fffd}"),
        ] {
            assert_eq!(clean(text), shown);
        }
        assert_eq!(clean_lines("a\u{1b}\r\nb"), "a\u{fffd} \nb");
    }
}
