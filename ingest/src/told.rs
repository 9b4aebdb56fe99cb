//! What an error of serde may tell a caller: what was expected, never the value that was there.

/// The part of an error's text behind the value that it repeats; `None`: nothing of it is safe to tell.
pub(crate) fn expected(text: &str) -> Option<&str> {
    const REPEATS: [&str; 5] =
        ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant `", "unknown field `"];
    if text.starts_with("expected ") {
        return Some(text);
    }
    if REPEATS.iter().any(|start| text.starts_with(start)) {
        // The value stands first and may hold these words too: the last ones are serde's.
        return text.rfind(", expected ").map(|at| &text[at + 2..]);
    }
    // Errors of our own quote the value in front: `"x" is no quantity; …`.
    let mut escaped = false;
    let end = text.strip_prefix('"')?.char_indices().find(|(_, c)| match c {
        _ if escaped => {
            escaped = false;
            false
        }
        '\\' => {
            escaped = true;
            false
        }
        other => *other == '"',
    });
    end.map(|(at, _)| text[at + 2..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::expected;

    #[test]
    fn no_value_is_told() {
        for (text, told) in [
            (r#"invalid type: string "Ada", expected u64 at line 1"#, Some("expected u64 at line 1")),
            (r#"invalid type: string "Ada, expected Bo", expected u64"#, Some("expected u64")),
            (
                "unknown variant `Ada, expected Bo`, expected `none` or `ask`",
                Some("expected `none` or `ask`"),
            ),
            (r#""Ada" is no quantity; write 2"#, Some("is no quantity; write 2")),
            (r#""Ada\" expected Bo is no \\" is no quantity"#, Some("is no quantity")),
            (r#""Ada expected Bo"#, None),
            ("Ada, expected Bo", None),
            ("expected a time", Some("expected a time")),
            ("unknown variant `Ada`, there are no variants", None),
        ] {
            assert_eq!(expected(text), told, "{text}");
        }
    }
}
