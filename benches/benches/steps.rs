//! Time of each step, an order: `cargo bench -p router-benches`, with a step's name for that one alone.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use router_benches::{all, cells};

/// Orders prepared at once.
const BATCH: u64 = 1000;

fn main() {
    let mut criterion =
        Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(500)).configure_from_args();
    let mut group = criterion.benchmark_group("order");
    group.throughput(Throughput::Elements(1));
    for (name, make) in all(cells()) {
        let mut step = None;
        group.bench_function(&name, |bencher| {
            // Made where it is asked for: a market of a million cells takes a while.
            let step = step.get_or_insert_with(&make);
            bencher.iter_custom(|iterations| {
                let (mut spent, mut run) = (Duration::ZERO, 0);
                while run < iterations {
                    step.prepare(BATCH as usize);
                    let began = Instant::now();
                    step.run();
                    spent += began.elapsed();
                    run += BATCH;
                }
                spent.mul_f64(iterations as f64 / run as f64)
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
