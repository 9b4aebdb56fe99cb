//! How often the engine asks for memory, a command: counted, so that the same on every machine. What a command leaves in
//! the state needs memory; the lists that a command works with are kept from one to the next.

use router_benches::all;

/// Cells of the markets; the number changes nothing here.
const CELLS: u32 = 2_000;
/// Commands before those that are counted: lists grow to their size.
const BEFORE: usize = 300;
const COUNTED: usize = 300;

/// Allocations of a command: of what is decided, without reading and writing; and of all. Exact: who needs fewer says so.
const ON_RECORD: [(&str, u64, u64); 6] = [
    ("place", 8, 21),
    ("offer", 34, 47),
    ("claim", 11, 12),
    ("decline", 12, 14),
    ("cancel", 2, 5),
    ("reserve", 44, 54),
];

/// Allocations of so many commands in this step.
fn counted(name: &str) -> u64 {
    let (_, make) = all(CELLS).into_iter().find(|(known, _)| known == name).expect("a step of that name");
    let mut step = make();
    step.prepare(BEFORE);
    step.run();
    step.prepare(COUNTED);
    allocation_counter::measure(|| step.run()).count_total
}

#[test]
fn commands_allocate_what_is_on_record() {
    let mut wrong = Vec::new();
    for (kind, decided_then, all_then) in ON_RECORD {
        let whole = counted(&format!("{kind}_200_nodes"));
        let unwritten = counted(&format!("{kind}_200_nodes_unwritten"));
        let read = counted(&format!("{kind}_read"));
        // Trees and tables grow now and then.
        let each = |total: u64| total.div_ceil(COUNTED as u64);
        let (decided, all) = (each(unwritten.saturating_sub(read)), each(whole));
        println!("{kind}: {all} allocations, {decided} of them to decide; {} to read", each(read));
        if (decided, all) != (decided_then, all_then) {
            wrong.push(format!("(\"{kind}\", {decided}, {all})"));
        }
    }
    assert!(wrong.is_empty(), "other numbers than are on record:\n{}", wrong.join(",\n"));
}
