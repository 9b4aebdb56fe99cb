//! Where in a document a JSON pointer points: line and column, in TOML and in JSON.

use std::collections::HashMap;

use toml::de::{DeTable, DeValue};

/// Places of everything in a document.
pub(super) struct Places<'a> {
    text: &'a str,
    /// Pointer → byte: of a member its key, of an entry of a list its start.
    bytes: HashMap<String, usize>,
}

impl<'a> Places<'a> {
    /// Of a TOML document; what does not parse has no places.
    pub fn toml(text: &'a str) -> Places<'a> {
        let (table, _) = DeTable::parse_recoverable(text);
        let mut bytes = HashMap::new();
        members(table.get_ref(), "", &mut bytes);
        Places { text, bytes }
    }

    /// Of a JSON document that parses; of another one, of what comes before the mistake.
    pub fn json(text: &'a str) -> Places<'a> {
        let mut scan = Scan { text: text.as_bytes(), at: 0, bytes: HashMap::new() };
        let _ = scan.value("");
        Places { text, bytes: scan.bytes }
    }

    /// Line and column, from 1, of the thing, or of the nearest thing around it that is there.
    pub fn of(&self, pointer: &str) -> (usize, usize) {
        let mut pointer = pointer;
        loop {
            if let Some(byte) = self.bytes.get(pointer) {
                return place(self.text, *byte);
            }
            let Some((around, _)) = pointer.rsplit_once('/') else { return (1, 1) };
            pointer = around;
        }
    }
}

/// Line and column of a byte, from 1; columns are characters.
pub(super) fn place(text: &str, byte: usize) -> (usize, usize) {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    let before = &text[..byte];
    let line = before.matches('\n').count() + 1;
    (line, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
}

/// One more step of a JSON pointer.
pub(super) fn step(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn members(table: &DeTable<'_>, pointer: &str, bytes: &mut HashMap<String, usize>) {
    for (key, value) in table.iter() {
        let pointer = step(pointer, key.get_ref());
        bytes.insert(pointer.clone(), key.span().start);
        inner(value.get_ref(), &pointer, bytes);
    }
}

fn inner(value: &DeValue<'_>, pointer: &str, bytes: &mut HashMap<String, usize>) {
    match value {
        DeValue::Table(table) => members(table, pointer, bytes),
        DeValue::Array(list) => {
            for (index, entry) in list.iter().enumerate() {
                let pointer = format!("{pointer}/{index}");
                bytes.insert(pointer.clone(), entry.span().start);
                inner(entry.get_ref(), &pointer, bytes);
            }
        }
        _ => {}
    }
}

/// Walks through JSON and notes where things are. It checks nothing: whoever reads the values does.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    bytes: HashMap<String, usize>,
}

impl Scan<'_> {
    fn blank(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn value(&mut self, pointer: &str) -> Option<()> {
        // Deeper than any rule set.
        if pointer.matches('/').count() > 32 {
            return None;
        }
        match self.blank()? {
            b'{' => self.list(pointer, b'}', true),
            b'[' => self.list(pointer, b']', false),
            b'"' => self.string().map(drop),
            _ => {
                let end = |b: &u8| b.is_ascii_whitespace() || b",]}".contains(b);
                while self.text.get(self.at).is_some_and(|b| !end(b)) {
                    self.at += 1;
                }
                Some(())
            }
        }
    }

    fn list(&mut self, pointer: &str, end: u8, named: bool) -> Option<()> {
        self.at += 1;
        for index in 0.. {
            if self.blank()? == end {
                break;
            }
            let start = self.at;
            let pointer = match named {
                true => step(pointer, &self.string()?),
                false => format!("{pointer}/{index}"),
            };
            if named {
                self.blank().filter(|b| *b == b':')?;
                self.at += 1;
            }
            self.bytes.entry(pointer.clone()).or_insert(start);
            self.value(&pointer)?;
            match self.blank()? {
                b',' => self.at += 1,
                other if other == end => {}
                _ => return None,
            }
        }
        self.at += 1;
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        if self.blank()? != b'"' {
            return None;
        }
        self.at += 1;
        loop {
            match self.text.get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_slice(self.text.get(start..self.at)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_found_where_they_stand() {
        let toml = "name = \"n\"\n\n[[routings]]\nid = \"a\"\n[[routings.rules]]\nfilters = [\n  { by = \"open\" },\n  { by = \"radius\", km = 5 },\n]\n";
        let places = Places::toml(toml);
        for (pointer, wanted) in [
            ("/name", (1, 1)),
            ("/routings/0", (3, 1)),
            ("/routings/0/id", (4, 1)),
            ("/routings/0/rules/0", (5, 1)),
            ("/routings/0/rules/0/filters/1", (8, 3)),
            ("/routings/0/rules/0/filters/1/km", (8, 20)),
            ("/routings/0/rules/0/sorts/7", (5, 1)),
            ("/zones/0", (1, 1)),
        ] {
            assert_eq!(places.of(pointer), wanted, "{pointer}");
        }
        let json = "{\n \"名\": 1, \"a\\\"b\": [ {\"c\": \"}\"},\n  {\"d/e\": [1, -2.5e3, true]} ]\n}";
        let places = Places::json(json);
        for (pointer, wanted) in [
            ("/名", (2, 2)),
            ("/a\"b", (2, 10)),
            ("/a\"b/0/c", (2, 21)),
            ("/a\"b/1", (3, 3)),
            ("/a\"b/1/d~1e/2", (3, 23)),
            ("/none", (1, 1)),
        ] {
            assert_eq!(places.of(pointer), wanted, "{pointer}");
        }
        for broken in ["", "{", "{\"a\"", "{\"a\":[1", "[1 2]", "{\"a\":\"\\"] {
            Places::json(broken);
        }
    }
}
