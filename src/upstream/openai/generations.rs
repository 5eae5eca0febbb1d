//! [`Generations`]: a map of bounded size that forgets what has not been asked for lately.

use std::collections::HashMap;
use std::hash::Hash;

/// A map of two generations: once the young one is full it becomes the old one, and what was old is forgotten. What
/// is asked for becomes young again, so things in use stay. Looking up and inserting cost what they cost in a hash
/// map, with no list to keep.
#[derive(Debug)]
pub struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    capacity: usize,
}

impl<K: Eq + Hash + Copy, V: Clone> Generations<K, V> {
    /// A map that holds at least the `capacity` things used last, and never more than twice as many.
    pub fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), capacity }
    }

    /// What is held for a key.
    pub fn get(&mut self, key: K) -> Option<V> {
        if let Some(value) = self.young.get(&key) {
            return Some(value.clone());
        }
        let value = self.old.remove(&key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    /// Holds a value for a key.
    pub fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.capacity && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut map = Generations::new(10);
        for key in 0..1_000 {
            map.insert(key, key);
            assert_eq!(map.get(0), Some(0), "in use, at {key}");
            assert!(map.young.len() + map.old.len() <= 20);
        }
        assert_eq!(map.get(500), None);
        assert_eq!(map.get(999), Some(999));
    }
}
