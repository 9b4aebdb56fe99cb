//! Orders as bytes, made before the clock runs: sending one copies its bytes and writes its number into them.

/// Digits of an order's number.
const DIGITS: usize = 12;
/// Different orders; a later one repeats all but the number.
const TEMPLATES: usize = 4096;

/// A chain of chances that is the same on every machine: SplitMix64.
pub struct Chance(
    /// Where the chain is.
    pub u64,
);

impl Chance {
    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}

/// All orders of a run.
pub struct Orders {
    templates: Vec<Template>,
}

struct Template {
    bytes: Vec<u8>,
    /// Where the number stands.
    number: usize,
}

impl Orders {
    /// Orders of three lines for these zones and SKUs.
    pub fn new(seed: u64, zones: u16, skus: u32) -> Orders {
        let mut chance = Chance(seed);
        Orders { templates: (0..TEMPLATES).map(|_| template(&mut chance, zones, skus)).collect() }
    }

    /// Appends the order with this number.
    pub fn write(&self, number: u64, out: &mut Vec<u8>) {
        let template = &self.templates[number as usize % self.templates.len()];
        let start = out.len() + template.number;
        out.extend_from_slice(&template.bytes);
        let mut rest = number;
        for digit in out[start..start + DIGITS].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }

    /// Bytes of the order with this number.
    pub fn bytes(&self, number: u64) -> usize {
        self.templates[number as usize % self.templates.len()].bytes.len()
    }

    /// Mean bytes of an order.
    pub fn mean_bytes(&self) -> usize {
        self.templates.iter().map(|t| t.bytes.len()).sum::<usize>() / self.templates.len()
    }
}

/// Degrees of a place in a zone, where its nodes and its customers are.
pub fn place(chance: &mut Chance, zone: u16) -> (String, String) {
    let degrees = |whole: u64, chance: &mut Chance| format!("{whole}.{:04}", chance.below(10_000));
    (degrees(20 + u64::from(zone % 40), chance), degrees(100 + u64::from(zone / 40), chance))
}

fn template(chance: &mut Chance, zones: u16, skus: u32) -> Template {
    let zone = chance.below(u64::from(zones)) as u16;
    let (latitude, longitude) = place(chance, zone);
    let person = chance.below(1_000_000);
    let mut used = Vec::new();
    let mut lines = Vec::new();
    let mut goods = 0;
    while lines.len() < 3 {
        let sku = chance.below(u64::from(skus));
        if used.contains(&sku) {
            continue;
        }
        used.push(sku);
        let (qty, price) = (1 + chance.below(3), 100 + chance.below(9_900));
        goods += qty * price;
        lines.push(format!(
            r#"{{"sku":"sku-{sku:06}","name":"Item number {sku:06}","qty":{qty},"unit":"pc","unit_price":{price}}}"#
        ));
    }
    let head = r#"{"channel":"load","id":""#;
    let text = format!(
        r#"{head}{:0DIGITS$}","placed_at":"2026-05-04T10:00:00+08:00","payment":{{"state":"captured","method":"card"}},"currency":"EUR","totals":{{"goods":{goods},"delivery":500,"tax":0}},"region":"R{zone:04}","recipient":{{"name":"Customer {person:06}","phone":"+49 30 {person:07}","address":"{} Market Street, 2nd floor","latitude":{latitude},"longitude":{longitude}}},"lines":[{}]}}"#,
        0,
        1 + person % 300,
        lines.join(",")
    );
    Template { bytes: text.into_bytes(), number: head.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_the_same_each_time_and_carry_their_number() {
        let (orders, again) = (Orders::new(7, 4, 250), Orders::new(7, 4, 250));
        for number in [0, 1, 4096, 123_456_789_012] {
            let (mut text, mut same) = (Vec::new(), Vec::new());
            orders.write(number, &mut text);
            again.write(number, &mut same);
            assert_eq!((text.len(), &text), (orders.bytes(number), &same));
            let order: serde_json::Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(order["id"], format!("{number:012}"));
            assert_eq!(order["lines"].as_array().unwrap().len(), 3);
        }
        assert!((500..700).contains(&orders.mean_bytes()), "{}", orders.mean_bytes());
    }
}
