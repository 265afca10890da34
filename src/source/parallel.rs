//! Work that is shared among the processors: much of what is read waits for nothing but the kernel.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// So many items are taken at once: enough that taking costs nothing, few enough that all end together; arbitrary.
const BLOCK: usize = 64;

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Does something with each item, and returns the results in the order of the items. `state` makes what each thread
/// keeps from one item to the next; items that are neighbours mostly come to one thread.
pub(super) fn map<T: Sync, S, R: Send>(
    items: &[T],
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) -> R + Sync,
) -> Vec<R> {
    let n_threads = processors().min(items.len().div_ceil(BLOCK));
    if n_threads <= 1 {
        let mut state = state();
        return items.iter().map(|item| work(&mut state, item)).collect();
    }
    let next = AtomicUsize::new(0);
    let run = || {
        let (mut state, mut blocks) = (state(), Vec::new());
        loop {
            let block = next.fetch_add(1, Ordering::Relaxed);
            let Some(items) = items.chunks(BLOCK).nth(block) else { return blocks };
            let results: Vec<R> = items.iter().map(|item| work(&mut state, item)).collect();
            blocks.push((block, results));
        }
    };
    let mut blocks: Vec<(usize, Vec<R>)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("the work does not panic")).collect()
    });
    blocks.sort_unstable_by_key(|(block, _)| *block);
    blocks.into_iter().flat_map(|(_, results)| results).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_the_order_of_the_items() {
        for n in [0, 1, BLOCK, 10 * BLOCK + 1] {
            let items: Vec<usize> = (0..n).collect();
            assert_eq!(map(&items, || (), |(), item| item * 2), items.iter().map(|i| i * 2).collect::<Vec<_>>());
        }
    }
}
