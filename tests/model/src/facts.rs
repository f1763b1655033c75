//! Sets of facts, as bits.

use std::fmt;

/// A set of facts by their numbers in the universe: at most 512.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Facts([u64; 8]);

impl Facts {
    /// Adds a fact; false if it was there.
    pub fn insert(&mut self, fact: usize) -> bool {
        let new = !self.contains(fact);
        if let Some(word) = self.0.get_mut(fact / 64) {
            *word |= 1 << (fact % 64);
        }
        new
    }

    /// Takes a fact out.
    pub fn remove(&mut self, fact: usize) {
        if let Some(word) = self.0.get_mut(fact / 64) {
            *word &= !(1 << (fact % 64));
        }
    }

    /// Whether a fact is in the set.
    #[must_use]
    pub fn contains(&self, fact: usize) -> bool {
        let word = self.0.get(fact / 64);
        word.is_some_and(|word| word & (1 << (fact % 64)) != 0)
    }

    /// What is in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = *self;
        for (word, other) in all.0.iter_mut().zip(other.0) {
            *word |= other;
        }
        all
    }

    /// The facts, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let words = self.0.iter().enumerate();
        words.flat_map(|(at, word)| {
            (0..64)
                .filter(move |bit| word & (1 << bit) != 0)
                .map(move |bit| at * 64 + bit)
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
