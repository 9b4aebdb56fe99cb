//! Buffers of frames that are used again: large ones come from the system page by page, and zeroing those pages would
//! cost more than writing the frame.

use std::sync::{Arc, Mutex, PoisonError};

/// Buffers are multiples of this, bytes; a smaller one is not worth keeping.
const STEP: usize = 64 << 10;
/// Buffers of one size that wait for their next use at most.
const KEPT: usize = 32;
/// Sizes that are kept: up to 2 MiB.
const SIZES: usize = 32;

/// Buffers that wait for their next use, by size.
pub(crate) struct Pool {
    free: Mutex<[Vec<Vec<u8>>; SIZES]>,
}

/// A buffer that goes back to its pool at the end.
pub(crate) struct Buffer {
    pub bytes: Vec<u8>,
    pool: Arc<Pool>,
}

impl Pool {
    /// A pool that has nothing yet.
    pub fn new() -> Arc<Pool> {
        Arc::new(Pool { free: Mutex::new(std::array::from_fn(|_| Vec::new())) })
    }

    /// An empty buffer with room for so many bytes.
    pub fn take(self: &Arc<Self>, size: usize) -> Buffer {
        let steps = size.div_ceil(STEP);
        let bytes = match size {
            // Small ones cost the allocator nothing.
            small if small < STEP / 2 => Vec::with_capacity(small),
            _ => {
                let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
                let kept = free.get_mut(steps - 1).and_then(Vec::pop);
                drop(free);
                kept.unwrap_or_else(|| Vec::with_capacity(steps * STEP))
            }
        };
        Buffer { bytes, pool: self.clone() }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        let (steps, rest) = (bytes.capacity() / STEP, bytes.capacity() % STEP);
        if steps == 0 || rest != 0 {
            return;
        }
        bytes.clear();
        let mut free = self.pool.free.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = free.get_mut(steps - 1).filter(|kept| kept.len() < KEPT) {
            kept.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_holds_nothing_of_before() {
        let pool = Pool::new();
        let mut first = pool.take(100_000);
        first.bytes.extend_from_slice(b"before");
        let place = first.bytes.as_ptr();
        drop(first);
        let second = pool.take(120_000);
        assert_eq!((second.bytes.as_ptr(), second.bytes.len()), (place, 0));
        assert_ne!(pool.take(120_000).bytes.as_ptr(), place, "a buffer has one user at a time");
        assert!(pool.take(100).bytes.capacity() < STEP, "small ones are not kept");
        assert!(pool.take(64 << 20).bytes.capacity() >= 64 << 20);
    }
}
