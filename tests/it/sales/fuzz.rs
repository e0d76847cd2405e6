//! Damaged files: cut, doubled, encoded anew, shuffled, with random bytes. They never panic, and no row disappears.

use std::path::{Path, PathBuf};

use onhand::sales::Rule;

use super::{Folder, request, run};
use crate::fixtures::shared;

/// Variants in one run.
const VARIANTS: u64 = 5_000;

/// A small generator: the same seed, the same damage.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).unwrap()).unwrap()
    }
}

fn samples() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/exports");
    let mut folders = vec![own];
    folders.extend(shared("exports"));
    let mut found: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|ending| ["csv", "txt", "xlsx"].iter().any(|known| ending == *known))
        })
        .collect();
    found.sort();
    found
}

fn damaged(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(3) {
        let len = bytes.len();
        match dice.below(9) {
            0 => bytes.truncate(dice.below(len + 1)),
            1 => bytes.extend(bytes.clone()),
            2 => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                bytes = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            }
            3 => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                bytes = encoding_rs::WINDOWS_1252.encode(&text).0.into_owned();
            }
            4 => {
                let mut lines: Vec<Vec<u8>> = bytes
                    .split_inclusive(|byte| *byte == b'\n')
                    .map(<[u8]>::to_vec)
                    .collect();
                for idx in (1..lines.len()).rev() {
                    lines.swap(idx, dice.below(idx + 1));
                }
                bytes = lines.concat();
            }
            5 => {
                for _ in 0..=dice.below(8) {
                    let at = dice.below(bytes.len());
                    let byte = u8::try_from(dice.below(256)).unwrap();
                    if let Some(slot) = bytes.get_mut(at) {
                        *slot = byte;
                    }
                }
            }
            6 => {
                let signs = [
                    b'"', b',', b';', b'\t', b'\n', b'\r', 0, b'-', b'.', b'E', 0xff, b'9',
                ];
                for _ in 0..=dice.below(6) {
                    let sign = signs[dice.below(signs.len())];
                    bytes.insert(dice.below(bytes.len() + 1), sign);
                }
            }
            7 => {
                bytes.retain(|byte| *byte != b'\n' || dice.below(4) > 0);
            }
            _ => {
                bytes = bytes
                    .iter()
                    .map(|byte| if *byte == b'\n' { b'\r' } else { *byte })
                    .collect();
            }
        }
    }
    bytes
}

#[test]
fn damaged_files_never_panic_and_no_row_disappears() {
    let folder = Folder::new();
    let samples: Vec<_> = samples()
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    assert!(samples.len() > 10);
    let (mut n_read, mut n_refused) = (0, 0);
    for seed in 0..VARIANTS {
        let mut dice = Dice(seed);
        let (path, bytes) = &samples[dice.below(samples.len())];
        let ending = path.extension().unwrap().to_str().unwrap();
        let file = folder.file(&format!("variant.{ending}"), damaged(bytes, &mut dice));
        let mut request = request(&[file]);
        request.lines = dice.below(4) == 0;
        request.tz = (dice.below(2) == 0).then_some(chrono_tz::Europe::Berlin);
        request.rule = if request.lines || dice.below(3) > 0 {
            Rule::Peak
        } else {
            Rule::MaxHour
        };
        // `run` checks that every row is counted, ignored or rejected.
        match run(&request) {
            Ok(found) => {
                n_read += 1;
                assert!(
                    found
                        .skus
                        .iter()
                        .all(|sku| sku.peak_units_per_hour.is_finite()),
                    "seed {seed}"
                );
            }
            Err(error) => {
                n_refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(
        n_read > 1_000 && n_refused > 100,
        "{n_read} read, {n_refused} refused"
    );
}
