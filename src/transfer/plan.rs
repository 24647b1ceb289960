//! How an object is cut into parts.

/// The smallest part that S3 and R2 take, the last one excepted.
pub const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;
/// The largest.
pub const MAX_PART_BYTES: u64 = 5 * 1024 * 1024 * 1024 - MIN_PART_BYTES;
pub const MAX_PARTS: u64 = 10_000;
/// S3's largest object; R2's is 5 GiB smaller.
pub const MAX_OBJECT_BYTES: u64 = 5 * 1024 * 1024 * 1024 * 1024;

const MIB: u64 = 1024 * 1024;

/// The size of every part but the last (R2 refuses unequal ones): the wanted one, or as much more as an
/// object of `total` bytes needs to do with 10,000 parts, in whole MiB.
pub const fn part_bytes(total: Option<u64>, wanted: u64) -> u64 {
    let Some(total) = total else { return wanted };
    let least = total.div_ceil(MAX_PARTS);
    if least <= wanted { wanted } else { least.div_ceil(MIB) * MIB }
}

/// Whether an object of `total` bytes can be sent in such parts.
pub const fn is_sound(part_bytes: u64, total: Option<u64>) -> bool {
    let count = match total {
        Some(total) if part_bytes > 0 => total.div_ceil(part_bytes),
        _ => 0,
    };
    MIN_PART_BYTES <= part_bytes && part_bytes <= MAX_PART_BYTES && count <= MAX_PARTS
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIB: u64 = 1024 * 1024 * MIB;

    #[test]
    fn the_wanted_size_while_it_suffices() {
        assert_eq!(part_bytes(None, 8 * MIB), 8 * MIB);
        assert_eq!(part_bytes(Some(17 * MIB), 8 * MIB), 8 * MIB);
        assert_eq!(part_bytes(Some(MAX_PARTS * 8 * MIB), 8 * MIB), 8 * MIB);
        assert_eq!(part_bytes(Some(MAX_PARTS * 8 * MIB + 1), 8 * MIB), 9 * MIB);
    }

    #[test]
    fn the_limits_are_s3_s() {
        assert_eq!((MIN_PART_BYTES, MAX_PART_BYTES, MAX_PARTS), (5_242_880, 5_363_466_240, 10_000));
    }

    #[test]
    fn parts_are_sound_within_the_limits() {
        for (part, total, sound) in [
            (0, None, false),
            (0, Some(1), false),
            (MIN_PART_BYTES - 1, None, false),
            (MIN_PART_BYTES, None, true),
            (MIN_PART_BYTES, Some(0), true),
            (MAX_PART_BYTES, Some(5 * TIB), true),
            (MAX_PART_BYTES + 1, None, false),
            (MIN_PART_BYTES, Some(MAX_PARTS * MIN_PART_BYTES), true),
            (MIN_PART_BYTES, Some(MAX_PARTS * MIN_PART_BYTES + 1), false),
        ] {
            assert_eq!(is_sound(part, total), sound, "{part} {total:?}");
        }
    }

    /// Every size up to S3's limit of 5 TiB, in steps that meet no round number twice.
    #[test]
    fn any_object_fits_into_ten_thousand_sound_parts() {
        let mut total = 1;
        while total <= 5 * TIB {
            for wanted in [MIN_PART_BYTES, 8 * MIB, 100 * MIB] {
                let part = part_bytes(Some(total), wanted);
                assert!((MIN_PART_BYTES..=MAX_PART_BYTES).contains(&part), "{total} {wanted}");
                assert!(part >= wanted && total.div_ceil(part) <= MAX_PARTS, "{total} {wanted}");
                assert!(
                    part == wanted || part.is_multiple_of(MIB) && (part - MIB) * MAX_PARTS < total,
                    "{total} {wanted}"
                );
            }
            total = total + total / 97 + 12_345;
        }
    }
}
