use std::{
    fmt,
    ops::{Deref, DerefMut},
    panic::resume_unwind,
};

use memmap2::MmapMut;

use super::lanes::Lanes;

/// The payload with which a thread unwinds when the system refuses memory to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no memory for {bytes} bytes of the network")]
pub struct OutOfMemory {
    /// Bytes asked for.
    pub bytes: usize,
}

/// [`Lanes`] on huge pages where the system has them: the kernels of a net are
/// far larger than what the processor remembers small pages of.
#[derive(Default)]
pub(super) struct Buffer(Option<MmapMut>);

impl Buffer {
    /// `len` [`Lanes`], all zero. Unwinds with [`OutOfMemory`] if the system has no memory.
    pub fn zeros(len: usize) -> Self {
        if len == 0 {
            return Self(None);
        }
        let bytes = len * size_of::<Lanes>();
        let Ok(map) = MmapMut::map_anon(bytes) else {
            // Unwinds through the threads of the engine, without the message of a bug.
            resume_unwind(Box::new(OutOfMemory { bytes }))
        };
        #[cfg(all(target_os = "linux", not(miri)))]
        // Small pages do as well, so a refusal is no error.
        let _ = map.advise(memmap2::Advice::HugePage);
        Self(Some(map))
    }

    /// The first `len`; it grows to hold them, and then they are zero, and never
    /// shrinks, and then they hold what they held.
    pub fn room(&mut self, len: usize) -> &mut [Lanes] {
        if self.len() < len {
            // First the old memory goes back.
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
    fn memory_that_cannot_be_had_has_a_name() {
        let lanes = (1 << 60) / size_of::<Lanes>();
        let payload = catch_unwind(|| Buffer::zeros(lanes)).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&OutOfMemory { bytes: 1 << 60 }));
    }

    #[test]
    fn room_is_made_once() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.room(0), []);
        buffer.room(3)[2].0[5] = 1.0;
        assert_eq!(buffer.room(3)[2].0[5], 1.0);
        assert_eq!(buffer.room(2).len(), 2);
        assert!(buffer.room(100_000).iter().all(|lanes| *lanes == Lanes::ZERO));
    }
}
