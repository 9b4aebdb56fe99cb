//! Lines about parts of orders in other zones. All zones of a scenario live on one partition: their records go through its
//! log, as they do between partitions.

use router_schemas::{event::Event, quantity::Qty, row::Row};

use super::{
    words::{self, Words},
    world::World,
};

impl World {
    /// `pass [lost]`: applies the next record that was sent, and no more.
    pub fn pass(&mut self, mut words: Words) -> Result<(), String> {
        let lost = words.flag("lost");
        words.end()?;
        let (meta, command) = self.sent.pop_front().ok_or("nothing was sent")?;
        self.said = Default::default();
        self.record(&meta, &command, lost)
    }

    /// `part ORDER N zone Z attempt A [visited Y,X] [LINE:QTY ...]`.
    pub fn part(&self, mut words: Words) -> Result<(), String> {
        let (name, number): (_, u32) = (words.next("order")?, words::number(&words.next("part")?)?);
        let row = self.engine.order(self.known(&name)?).ok_or("the engine does not know the order")?;
        let part = row.parts.iter().find(|part| part.part == number);
        let part = part.ok_or_else(|| format!("there is no such part among {:?}", row.parts))?;
        let zone = words.option("zone")?.unwrap_or_default();
        let attempt: u32 = words.number("attempt")?.unwrap_or(1);
        let visited = words.list("visited")?;
        let away = |(line, qty): &(u16, Qty)| (row.lines[usize::from(*line)].line.clone(), *qty);
        let got: Vec<_> = part.away.iter().map(away).collect();
        let line = |word: String| {
            let (line, qty) = word.split_once(':').ok_or_else(|| format!("`{word}` is no LINE:QTY"))?;
            Ok((line.to_owned(), words::qty(qty)?))
        };
        let wanted: Vec<_> = words.rest().into_iter().map(line).collect::<Result<_, String>>()?;
        let got = (part.zone.clone(), part.attempt, part.visited.clone(), got);
        let wanted = (zone, attempt, visited, wanted);
        if got == wanted { Ok(()) } else { Err(format!("the part is {got:?}, not {wanted:?}")) }
    }

    /// Names the orders that zones made of parts.
    pub(super) fn name_parts(&mut self, events: &[Event]) {
        for row in events.iter().flat_map(|event| &event.rows) {
            let Row::Order(row) = row else { continue };
            let Some((part, _)) = &row.part_of else { continue };
            if self.orders.values().any(|known| *known == row.order) {
                continue;
            }
            let first = format!("{}/{}", self.name_of(part.order), row.zone);
            let mut names = (1..).map(|n| if n == 1 { first.clone() } else { format!("{first}/{n}") });
            let name = names.find(|name| !self.orders.contains_key(name)).unwrap_or(first);
            self.orders.insert(name, row.order);
        }
    }
}
