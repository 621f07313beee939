//! Golden transcripts: what goes in and what comes out of the four codecs, byte for byte.
//!
//! Each line of `tests/transcripts/*.txt` begins with a mark. In the files of the fronts, `>` (a client's headers, then its message) and `|`
//! (what the waist answers) are given, and `=` (what the message means) and `<` (what the client gets) are held to be so; in the
//! files of the backs, `|` (what is wanted) and `<` (what the server says) are given, and `>` and `=` are held. `@` sets the scene.
//! To accept a change: `BLESS=1 cargo test --test transcripts`, and read the difference.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

#[path = "transcripts/back.rs"]
mod back;
#[path = "transcripts/front.rs"]
mod front;
#[path = "transcripts/waist.rs"]
mod waist;

use std::{env, fs, path::Path};

/// What plays a transcript: takes a line that is given, and says the lines that follow from it.
trait Player {
    /// The marks of lines that are given; the others follow from them.
    const GIVEN: &'static [char];

    fn play(&mut self, mark: char, line: &str) -> Vec<String>;
}

fn check<P: Player>(name: &str, mut player: P) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(name);
    let written = fs::read_to_string(&path).unwrap();
    let mut played = String::new();
    for line in written.lines() {
        let mark = line.chars().next().unwrap_or(' ');
        let is_prose = !matches!(mark, '>' | '<' | '|' | '=' | '@');
        if is_prose || mark == '@' || P::GIVEN.contains(&mark) {
            played.push_str(line);
            played.push('\n');
        }
        if !is_prose && (mark == '@' || P::GIVEN.contains(&mark)) {
            player.play(mark, line[1..].trim()).iter().for_each(|said| played.extend([said, "\n"]));
        }
    }
    if env::var_os("BLESS").is_some() {
        return fs::write(&path, &played).unwrap();
    }
    let differs = written.lines().zip(played.lines()).find(|(was, is)| was != is);
    assert!(written == played, "{name}: first difference: {differs:#?}");
}

#[test]
fn the_classification_of_a_post() {
    check("classify.txt", front::Front::default());
}

#[test]
fn the_modern_ladder() {
    check("modern-ladder.txt", front::Front::default());
}

#[test]
fn modern_clients() {
    check("modern-front.txt", front::Front::default());
}

#[test]
fn legacy_clients() {
    check("legacy-front.txt", front::Front::default());
}

#[test]
fn modern_servers() {
    check("modern-back.txt", back::Back::default());
}

#[test]
fn legacy_servers() {
    check("legacy-back.txt", back::Back::default());
}
