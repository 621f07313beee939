//! The names under which tools and prompts are offered.

/// The longest name that common clients accept.
pub const MAX_NAME_LEN: usize = 64;

/// Length of the suffix that keeps shortened names apart: an underscore and eight digits.
const SUFFIX_LEN: usize = 9;

/// The name under which `own` of `server` is offered: with the prefix `server__` when there is one, and never longer than
/// [`MAX_NAME_LEN`]. What is too long is cut, and a digest of the whole makes it unique and the same everywhere.
pub fn exposed_name(server: Option<&str>, own: &str) -> String {
    let whole = server.map_or_else(|| own.to_owned(), |server| format!("{server}__{own}"));
    if whole.len() <= MAX_NAME_LEN {
        return whole;
    }
    let mut cut = MAX_NAME_LEN - SUFFIX_LEN;
    while !whole.is_char_boundary(cut) {
        cut -= 1;
    }
    let kept = whole.get(..cut).unwrap_or_default();
    format!("{kept}_{}", digest(&whole))
}

/// FNV-1a over 64 bits, as eight digits of base 32: fixed for ever, since names are part of what users write down.
fn digest(text: &str) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let digit = |place: u32| DIGITS.get(usize::try_from(hash >> (place * 5) & 31).ok()?).copied();
    (0..8).filter_map(digit).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefixes_and_keeps_what_fits() {
        assert_eq!(exposed_name(Some("files"), "read"), "files__read");
        assert_eq!(exposed_name(None, "read"), "read");
        assert_eq!(exposed_name(None, &"x".repeat(64)), "x".repeat(64));
    }

    #[test]
    fn a_shortened_name_never_changes_from_one_release_to_the_next() {
        assert_eq!(
            exposed_name(Some("s"), &"x".repeat(70)),
            format!("s__{}_{}", "x".repeat(52), digest(&format!("s__{}", "x".repeat(70))))
        );
    }

    proptest! {
        #[test]
        fn fits_and_tells_names_apart(own in "[a-zA-Z0-9_.-]{1,128}", other in "[a-zA-Z0-9_.-]{1,128}") {
            let name = exposed_name(Some("server"), &own);
            prop_assert!(name.len() <= MAX_NAME_LEN);
            prop_assert_eq!(name == exposed_name(Some("server"), &other), own == other);
        }
    }
}
