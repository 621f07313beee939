//! Only what was sealed here, for the same purpose, opens.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use myelin::seal::{KeyRing, NotSealedHere, Purpose};

static RING: LazyLock<KeyRing> = LazyLock::new(|| KeyRing::new(["a secret of this target"]).expect("randomness"));
const PURPOSES: [Purpose; 4] = [Purpose::Session, Purpose::Cursor, Purpose::Resume, Purpose::Task];

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        for purpose in PURPOSES {
            assert_eq!(RING.open(purpose, text), Err(NotSealedHere));
        }
    }
    let token = RING.seal(Purpose::Resume, data).expect("randomness");
    for purpose in PURPOSES {
        let expected = if purpose == Purpose::Resume { Ok(data.to_vec()) } else { Err(NotSealedHere) };
        assert_eq!(RING.open(purpose, &token), expected);
    }
    let at = data.first().map_or(0, |byte| usize::from(*byte) % token.len());
    assert_eq!(RING.open(Purpose::Resume, &changed(&token, at)), Err(NotSealedHere));
});

fn changed(token: &str, at: usize) -> String {
    let letters = token.char_indices().map(|(index, letter)| if index != at { letter } else if letter == 'A' { 'B' } else { 'A' });
    letters.collect()
}
