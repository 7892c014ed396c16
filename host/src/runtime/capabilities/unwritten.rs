//! What a shadow writes: its own call finds it again, and nobody else does.

use std::collections::HashMap;

use super::super::contract::ciba::interception::storage::{Condition, Entry};

/// Values that one call of a shadow wrote or deleted, by key.
#[derive(Default)]
pub(in super::super) struct Unwritten {
    values: HashMap<String, Option<Entry>>,
    writes: u64,
}

impl Unwritten {
    /// What the call made of this key, if anything.
    pub(super) fn of(&self, key: &str) -> Option<Option<Entry>> {
        self.values.get(key).cloned()
    }

    pub(super) fn is_any(&self) -> bool {
        !self.values.is_empty()
    }

    /// Writes or deletes where the condition holds; `before` is what is there. The new version, or nothing.
    pub(super) fn write(&mut self, key: String, value: Option<Vec<u8>>, before: Option<&Entry>, when: &Condition) -> Option<u64> {
        let holds = match when {
            Condition::Always => true,
            Condition::Absent => before.is_none(),
            Condition::Unchanged(version) => before.is_some_and(|before| before.version == *version),
        };
        if !holds {
            return None;
        }
        self.writes += 1;
        // From the other end than those of what is kept.
        let version = u64::MAX - self.writes;
        self.values.insert(key, value.map(|value| Entry { value, version }));
        Some(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_finds_what_it_wrote_and_its_conditions_hold_against_that() {
        let mut unwritten = Unwritten::default();
        let kept = Entry { value: b"kept".to_vec(), version: 7 };
        let key = || "key".to_owned();
        assert!(unwritten.of("key").is_none());
        assert_eq!(unwritten.write(key(), Some(b"a".to_vec()), Some(&kept), &Condition::Absent), None);
        assert_eq!(unwritten.write(key(), Some(b"a".to_vec()), Some(&kept), &Condition::Unchanged(8)), None);
        let first = unwritten.write(key(), Some(b"a".to_vec()), Some(&kept), &Condition::Unchanged(7)).unwrap();
        let found = unwritten.of("key").unwrap().unwrap();
        assert_eq!((&found.value[..], found.version), (&b"a"[..], first));
        let second = unwritten.write(key(), Some(b"b".to_vec()), Some(&found), &Condition::Unchanged(first)).unwrap();
        assert_ne!(first, second);
        unwritten.write(key(), None, Some(&found), &Condition::Always).unwrap();
        assert!(unwritten.of("key").unwrap().is_none());
        assert!(unwritten.write(key(), Some(b"c".to_vec()), None, &Condition::Absent).is_some());
    }
}
