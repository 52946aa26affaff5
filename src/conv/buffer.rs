//! Zeroed memory of the engine, on huge pages if available.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    panic::resume_unwind,
};

use memmap2::MmapMut;

use super::lanes::Lanes;

/// Panic payload if the engine cannot allocate memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no memory for {bytes} bytes of the network")]
pub struct OutOfMemory {
    /// Size of the failed allocation.
    pub bytes: usize,
}

/// Array of [`Lanes`] on huge pages if available: with small pages, the kernels of a net
/// exceed the capacity of the TLB (translation lookaside buffer).
#[derive(Default)]
pub(super) struct Buffer(Option<MmapMut>);

impl Buffer {
    /// Allocates `len` zeroed [`Lanes`].
    ///
    /// # Panics
    /// With the payload [`OutOfMemory`] if the allocation fails.
    pub fn zeros(len: usize) -> Self {
        if len == 0 {
            return Self(None);
        }
        let bytes = len * size_of::<Lanes>();
        let Ok(map) = MmapMut::map_anon(bytes) else {
            // Skips the panic hook, which would report a bug.
            resume_unwind(Box::new(OutOfMemory { bytes }))
        };
        #[cfg(all(target_os = "linux", not(miri)))]
        // Huge pages are optional.
        let _ = map.advise(memmap2::Advice::HugePage);
        Self(Some(map))
    }

    /// Returns the first `len` lanes. Grows if needed (new buffer, zero-filled), never
    /// shrinks; otherwise keeps the old contents.
    ///
    /// # Panics
    /// As [`Buffer::zeros`].
    pub fn grow_to(&mut self, len: usize) -> &mut [Lanes] {
        if self.len() < len {
            // Frees the old memory before the allocation.
            *self = Self(None);
            *self = Self::zeros(len);
        }
        &mut self[..len]
    }
}

impl Deref for Buffer {
    type Target = [Lanes];

    fn deref(&self) -> &[Lanes] {
        self.0.as_ref().map_or(&[], |map| bytemuck::cast_slice(map))
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [Lanes] {
        self.0.as_mut().map_or(&mut [], |map| bytemuck::cast_slice_mut(map))
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} lanes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::{Buffer, Lanes, OutOfMemory};

    #[test]
    fn a_failed_allocation_panics_with_its_size() {
        let lanes = (1 << 60) / size_of::<Lanes>();
        let payload = catch_unwind(|| Buffer::zeros(lanes)).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&OutOfMemory { bytes: 1 << 60 }));
    }

    #[test]
    fn the_buffer_grows_and_keeps_its_contents() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.grow_to(0), []);
        buffer.grow_to(3)[2].0[5] = 1.0;
        assert_eq!(buffer.grow_to(3)[2].0[5], 1.0);
        assert_eq!(buffer.grow_to(2).len(), 2);
        assert!(buffer.grow_to(100_000).iter().all(|lanes| *lanes == Lanes::ZERO));
    }
}
