//! The inputs that fuzzing has found worth keeping, and what a few changes make of them: the properties of
//! `fuzz/properties`, held by every run of the tests.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "a crate of its own under cargo-fuzz")]

#[path = "../fuzz/properties/mod.rs"]
mod properties;

use std::fs;
use std::path::Path;

/// Of each input.
const CHANGES: u32 = 100;

/// The files of a corpus in the order of their names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).expect("a corpus").map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).expect("an input")).collect()
}

#[test]
fn every_kept_input_holds_its_property() {
    for (name, check) in properties::ALL {
        let inputs = corpus(name);
        assert!(inputs.len() >= 3, "{name} has no corpus");
        for input in &inputs {
            check(input);
        }
    }
}

/// No libFuzzer, but every run of the tests, on every platform.
#[test]
fn so_does_what_is_made_of_them() {
    for (name, check) in properties::ALL {
        let inputs = corpus(name);
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for input in &inputs {
            for _ in 0..CHANGES {
                let other = &inputs[dice.below(inputs.len())];
                let changed = dice.change(input, other);
                let outcome = std::panic::catch_unwind(|| check(&changed));
                assert!(outcome.is_ok(), "{name}: {:?}", String::from_utf8_lossy(&changed));
            }
        }
    }
}

/// xorshift: the same for every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (limit.max(1) as u64)).unwrap()
    }

    fn change(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        const SPECIAL: &[u8] = b"\0\n\r\t \"%/\\@:#?.-+=<>&0129";
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len() + 1);
            match self.below(5) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, SPECIAL[self.below(SPECIAL.len())]),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                3 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                _ => bytes.splice(at.., other[self.below(other.len() + 1)..].iter().copied()).for_each(drop),
            }
        }
        bytes
    }
}
