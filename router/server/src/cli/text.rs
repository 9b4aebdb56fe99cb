//! What is printed: one JSON object a line, or text for people. Colours on a terminal only.

use std::io::{IsTerminal, Write};

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::{Common, Format};
pub(super) use crate::show::plain as safe;

/// Prints a line. A reader that went away, as `head` does, ends us.
pub(super) fn line(text: &str) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Says a line on standard error; nobody may be there to hear it.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// True where colours help: on a terminal that has not been told otherwise.
pub(super) fn colour(stream: &impl IsTerminal) -> bool {
    let off = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    stream.is_terminal() && !off && std::env::var("TERM").is_ok_and(|term| term != "dumb")
}

/// Text of secondary weight.
pub(super) fn dim(text: &str) -> String {
    if colour(&std::io::stdout()) { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() }
}

/// Text of a heading.
pub(super) fn bold(text: &str) -> String {
    if colour(&std::io::stdout()) { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

/// A value as people read it; nothing for nothing.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => safe(text),
        // Ids and hashes.
        Value::Array(items)
            if items.len() == 16 && items.iter().all(|i| i.as_u64().is_some_and(|i| i < 256)) =>
        {
            items.iter().map(|byte| format!("{:02x}", byte.as_u64().unwrap_or(0))).collect()
        }
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| match plain(value) {
                nothing if nothing.is_empty() => None,
                shown => Some(format!("{name} {shown}")),
            };
            members.iter().filter_map(member).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// A time of an answer, RFC 3339, in columns of one width; nothing for nothing.
pub(super) fn time(value: &Value) -> String {
    let at = value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    at.map_or_else(String::new, |at| format!("{at:.3}"))
}

/// A row: one line of JSON, or its members, those of nested objects under their path.
pub(super) fn print(common: &Common, row: &Value) {
    match common.format {
        Format::Json => line(&row.to_string()),
        Format::Text => {
            let mut text = String::new();
            flatten("", row, &mut text);
            line(&text);
        }
    }
}

fn flatten(path: &str, value: &Value, text: &mut String) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, text);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                text.push_str("\n   ");
                flatten(&format!("{path}[{index}]"), item, text);
            }
        }
        Value::Array(items) if items.is_empty() => {}
        other => {
            let gap = if text.is_empty() { "" } else { "  " };
            text.push_str(&format!("{gap}{}{}", dim(&format!("{path}=")), plain(other)));
        }
    }
}

/// These members of an object, for a row of a table.
pub(super) fn members(row: &Value, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| plain(&row[*name])).collect()
}

/// Rows in columns. Numbers stand to the right.
pub(super) struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these heads.
    pub(super) fn new(heads: &[&'static str]) -> Table {
        Table { heads: heads.to_vec(), rows: Vec::new() }
    }

    /// A table of these members of each item of a list.
    pub(super) fn of(items: &Value, names: &[&str], heads: &[&'static str]) -> Table {
        let rows = items.as_array().into_iter().flatten().map(|item| members(item, names)).collect();
        Table { heads: heads.to_vec(), rows }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Prints it, a column without content left out; `indent` spaces before each line.
    pub(super) fn print(&self, indent: usize) {
        let cells = |column: usize| self.rows.iter().filter_map(move |row| row.get(column));
        let columns: Vec<(usize, usize, bool)> = (0..self.heads.len())
            .filter(|column| cells(*column).any(|cell| !cell.is_empty()))
            .map(|column| {
                let widest = cells(column).map(|cell| cell.width()).max().unwrap_or(0);
                let number = |cell: &String| cell.is_empty() || cell.parse::<f64>().is_ok();
                (column, widest.max(self.heads[column].width()), cells(column).all(number))
            })
            .collect();
        let heads: Vec<String> = self.heads.iter().map(|head| (*head).to_owned()).collect();
        if !columns.is_empty() {
            line(&bold(&laid_out(&heads, &columns, indent)));
        }
        if self.rows.is_empty() {
            note("nothing found");
        }
        for row in &self.rows {
            line(&laid_out(row, &columns, indent));
        }
    }
}

fn laid_out(row: &[String], columns: &[(usize, usize, bool)], indent: usize) -> String {
    let mut text = " ".repeat(indent);
    for (column, width, right) in columns {
        let cell = row.get(*column).map_or("", String::as_str);
        let fill = " ".repeat(width.saturating_sub(cell.width()));
        text.push_str(&if *right { format!("{fill}{cell}  ") } else { format!("{cell}{fill}  ") });
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_hold_wide_letters_and_numbers() {
        let columns = [(0, 6, false), (1, 3, true)];
        assert_eq!(laid_out(&["北京".into(), "7".into()], &columns, 2), "  北京      7");
        assert_eq!(laid_out(&["berlin".into(), "12".into()], &columns, 2), "  berlin   12");
    }

    #[test]
    fn nothing_that_a_terminal_acts_on_gets_through() {
        assert_eq!(plain(&json!("a\x1b[2Jb\n")), "a[2Jb");
        assert_eq!(time(&json!("1970-01-01T00:00:00Z")), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(&json!("\x1b[2J")), "");
        assert_eq!(time(&Value::Null), "");
    }
}
