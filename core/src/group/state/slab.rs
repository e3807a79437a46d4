//! A slab: a vector whose entries have stable keys, which are used again.

/// A vector whose free places are a list. Keys are 32 bits: a group of 2^32 live units would not fit
/// into memory.
pub(super) struct Slab<T> {
    places: Vec<Place<T>>,
    /// The last one that became free; past the end where there is none.
    free: u32,
    len: usize,
}

enum Place<T> {
    Taken(T),
    /// And which became free before it.
    Free(u32),
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: 0, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// # Panics
    ///
    /// With 2^32 - 1 there: the highest key stands for nobody.
    #[inline(always)]
    pub(super) fn insert(&mut self, value: T) -> u32 {
        let key = self.free;
        self.len += 1;
        match self.places.get_mut(key as usize) {
            Some(place) => {
                if let Place::Free(next) = *place {
                    self.free = next;
                }
                *place = Place::Taken(value);
            }
            None => {
                self.free = key.checked_add(1).expect("fewer than 2^32 live units in one group");
                self.places.push(Place::Taken(value));
            }
        }
        key
    }

    #[inline(always)]
    pub(super) fn remove(&mut self, key: u32) -> Option<T> {
        let place = self.places.get_mut(key as usize)?;
        match std::mem::replace(place, Place::Free(self.free)) {
            Place::Taken(value) => {
                self.free = key;
                self.len -= 1;
                Some(value)
            }
            free @ Place::Free(_) => {
                *place = free;
                None
            }
        }
    }

    #[inline]
    pub(super) fn get(&self, key: u32) -> Option<&T> {
        self.places.get(key as usize)?.as_taken()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        match self.places.get_mut(key as usize)? {
            Place::Taken(value) => Some(value),
            Place::Free(_) => None,
        }
    }

    pub(super) fn contains(&self, key: u32) -> bool {
        self.get(key).is_some()
    }

    /// All that are there, by their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.places).filter_map(|(key, place)| Some((key, place.as_taken()?)))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().filter_map(|place| match place {
            Place::Taken(value) => Some(value),
            Place::Free(_) => None,
        })
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Place<T> {
    fn as_taken(&self) -> Option<&T> {
        match self {
            Self::Taken(value) => Some(value),
            Self::Free(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_the_last_one_first() {
        let mut slab = Slab::new();
        let keys = ["a", "b", "c"].map(|value| slab.insert(value));
        assert_eq!(keys, [0, 1, 2]);
        assert_eq!((slab.remove(0), slab.remove(2), slab.remove(2)), (Some("a"), Some("c"), None));
        assert_eq!(
            (slab.len(), slab.get(1), slab.get(2), slab.get(9)),
            (1, Some(&"b"), None, None)
        );
        assert_eq!(["d", "e", "f"].map(|value| slab.insert(value)), [2, 0, 3]);
        assert_eq!(
            slab.iter().map(|(key, value)| (key, *value)).collect::<Vec<_>>(),
            [(0, "e"), (1, "b"), (2, "d"), (3, "f")]
        );
    }
}
