//! The log as a whole: what is handed over is in the file, and whatever is done to the file shows.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    arguments::Arguments,
    chain::{Chain, Hasher, Head},
    draft::Batch,
    queue::{Coming, Queue},
    record::{Note, Refusal},
    settings::{AuditSettings, Calls, Claims, OnLoss},
    verify::{Report, Verifier, Wrong},
    writer::{Sink, Writer},
    *,
};

const SOON: Duration = Duration::from_secs(20);

fn settings(file: &Path) -> AuditSettings {
    AuditSettings {
        file: file.to_owned(),
        max_size_bytes: 1 << 20,
        max_age: None,
        keep: None,
        arguments: Vec::new(),
        claims: Claims::None,
        calls: Calls::Acts,
        queue: 1000,
        sync: Duration::ZERO,
        on_loss: OnLoss::Count,
        key: None,
    }
}

fn note(number: usize) -> Note {
    Note::new(Event::Admin, Duration::from_secs(1), [("number", json!(number)), ("fill", json!("x".repeat(200)))])
}

/// A run of the gateway that notes so many things.
fn run(settings: &AuditSettings, notes: usize) {
    let audit = Audit::start(settings, Map::new()).unwrap();
    for number in 0..notes {
        audit.note(&note(number));
    }
    audit.close(SOON);
    drop(audit);
}

fn verify(file: &Path) -> Report {
    Verifier::new(None, None).verify(&[file.to_owned()]).unwrap()
}

fn lines(file: &Path) -> Vec<Value> {
    fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The events of a file.
fn events(file: &Path) -> Vec<String> {
    lines(file).iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_chain_goes_on_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    run(&settings(&file), 3);
    run(&settings(&file), 2);
    let report = verify(&file);
    assert_eq!((report.broken, report.lines, report.first, report.is_closed), (None, 9, 1, true));
    let lines = lines(&file);
    assert_eq!(
        (&lines[0]["detail"]["follows"], &lines[5]["detail"]["follows"]),
        (&json!("nothing"), &json!("a line that holds"))
    );
    assert_eq!(fs::metadata(&file).map(|data| std::os::unix::fs::MetadataExt::mode(&data) & 0o777).unwrap(), 0o600);
}

#[test]
fn a_second_writer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder.path().join("audit.jsonl"));
    let first = Audit::start(&settings, Map::new()).unwrap();
    assert!(matches!(Audit::start(&settings, Map::new()), Err(AuditFault::Locked(_))));
    first.close(SOON);
}

#[test]
fn a_torn_end_is_set_aside_and_said_and_the_chain_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    run(&settings(&file), 3);
    let whole = fs::read(&file).unwrap();
    for cut in [1, 40, 300] {
        // The writer was interrupted in the middle of its last line.
        fs::write(&file, &whole[..whole.len() - cut]).unwrap();
        assert_eq!(verify(&file).broken.unwrap().what, Wrong::Torn);
        run(&settings(&file), 1);
        let report = verify(&file);
        assert_eq!(report.broken, None, "{cut}");
        assert!(events(&file).contains(&"torn".to_owned()), "{cut}");
        let torn = fs::read_to_string(folder.path().join("audit.jsonl.torn")).unwrap();
        assert!(torn.lines().next().is_some_and(|line| line.starts_with("{\"time\"")), "{torn}");
        fs::remove_file(folder.path().join("audit.jsonl.torn")).unwrap();
    }
}

#[test]
fn files_are_set_aside_the_oldest_removed_and_the_chain_goes_through_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let small = AuditSettings { max_size_bytes: 1024, ..settings(&file) };
    for _ in 0..4 {
        run(&small, 5);
    }
    let report = verify(&file);
    assert_eq!((report.broken.clone(), report.first, report.is_closed), (None, 1, true));
    assert!(report.files.len() >= 4, "{:?}", report.files);
    assert_eq!(events(report.files.last().unwrap())[0], "rotate");
    // The order in which files are given is nobody's concern; a file in the middle that is gone is.
    fs::remove_file(&report.files[1]).unwrap();
    assert!(matches!(verify(&file).broken.unwrap().what, Wrong::Number { .. }));

    run(&AuditSettings { keep: Some(1), ..small }, 20);
    run(&AuditSettings { keep: Some(1), ..settings(&file) }, 1);
    let report = verify(&file);
    assert_eq!((report.broken.clone(), report.files.len()), (None, 2), "{:?}", report.files);
    assert!(report.first > 1);
}

#[test]
fn a_crash_between_two_files_leaves_a_chain_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    run(&settings(&file), 3);
    fs::rename(&file, folder.path().join("audit.jsonl.000000000001")).unwrap();
    run(&settings(&file), 1);
    assert_eq!((verify(&file).broken, verify(&file).lines), (None, 8));
}

#[test]
fn without_the_key_nobody_makes_a_chain_that_holds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let key = Some("a-key-that-only-the-gateway-has-and-you".into());
    run(&AuditSettings { key: key.clone(), ..settings(&file) }, 2);
    assert_eq!(verify(&file).broken.unwrap().what, Wrong::Changed);
    let with = |key: Option<&crate::redact::Redacted<String>>| {
        Verifier::new(key, None).verify(std::slice::from_ref(&file)).unwrap()
    };
    assert_eq!(with(key.as_ref()).broken, None);
    assert!(with(Some(&"another-key-of-the-same-length-as-it".into())).broken.is_some());
    // Somebody without the key made all anew; the next start says so.
    fs::remove_file(&file).unwrap();
    run(&settings(&file), 2);
    run(&AuditSettings { key, ..settings(&file) }, 1);
    assert_eq!(lines(&file)[4]["detail"]["follows"], "a line that does not hold");
}

#[test]
fn lines_taken_off_the_end_are_missed_by_whoever_kept_a_head() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    run(&settings(&file), 3);
    let head = verify(&file).head.unwrap();
    let expecting = |head: Head| Verifier::new(None, Some(head)).verify(std::slice::from_ref(&file)).unwrap().broken;
    assert_eq!(expecting(head.to_string().parse().unwrap()), None);
    let text = fs::read_to_string(&file).unwrap();
    let shorter = text.lines().take(4).fold(String::new(), |all, line| all + line + "\n");
    fs::write(&file, shorter).unwrap();
    assert_eq!(verify(&file).broken, None);
    assert_eq!(expecting(head).unwrap().what, Wrong::Expected(head.seq));
}

/// What somebody does to a log.
#[derive(Clone, Debug)]
enum Tampering {
    Flip { line: usize, at: usize, to: u8 },
    Remove { line: usize },
    Repeat { line: usize },
    Swap { line: usize, other: usize },
    Forge { line: usize },
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let line = 0..8_usize;
    prop_oneof![
        (line.clone(), 0..400_usize, any::<u8>()).prop_map(|(line, at, to)| Tampering::Flip { line, at, to }),
        // The last line can be taken off without a trace; that is what a head is for.
        (0..7_usize).prop_map(|line| Tampering::Remove { line }),
        line.clone().prop_map(|line| Tampering::Repeat { line }),
        (line.clone(), line.clone()).prop_map(|(line, other)| Tampering::Swap { line, other }),
        (0..7_usize).prop_map(|line| Tampering::Forge { line }),
    ]
}

fn seal(chain: &mut Chain, note: Note, out: &mut Vec<u8>) {
    let mut batch = Batch::default();
    batch.push(note.draft());
    batch.drain(&Arguments::default(), |line| chain.seal(line, out));
}

/// Eight sealed lines.
fn sealed() -> Vec<Vec<u8>> {
    let mut chain = Chain::new(Head::START, Hasher::new(None));
    let mut all = Vec::new();
    for number in 0..8 {
        seal(&mut chain, note(number), &mut all);
    }
    all.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

proptest! {
    #[test]
    fn any_line_that_is_changed_taken_out_put_in_or_put_elsewhere_shows(tampering in tampering()) {
        let before = sealed();
        let mut lines = before.clone();
        match tampering {
            Tampering::Flip { line, at, to } => {
                let at = at % lines[line].len();
                lines[line][at] = to;
            }
            Tampering::Remove { line } => drop(lines.remove(line)),
            Tampering::Repeat { line } => lines.insert(line, before[line].clone()),
            Tampering::Swap { line, other } => lines.swap(line, other),
            Tampering::Forge { line } => {
                // Another content under a hash that fits it; the lines behind it were made after the old one.
                let head = if line == 0 { Head::START } else { file::read_link(before[line - 1].trim_ascii_end()).unwrap() };
                lines[line].clear();
                let mut chain = Chain::new(head, Hasher::new(None));
                seal(&mut chain, note(99), &mut lines[line]);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        fs::write(&file, lines.concat()).unwrap();
        let report = verify(&file);
        // A missing beginning is said by the number of the first line.
        let shows = report.broken.is_some() || report.first > 1;
        prop_assert_eq!(shows, lines != before);
    }
}

/// A disk that is full for a while.
#[derive(Clone, Default)]
struct Disk {
    written: Arc<Mutex<Vec<u8>>>,
    /// Writes that fail from now on.
    failures: Arc<AtomicUsize>,
}

impl Sink for Disk {
    fn append(&mut self, lines: &[u8], _: u64, _: Duration) -> io::Result<()> {
        if self.failures.load(Ordering::SeqCst) > 0 {
            self.failures.fetch_sub(1, Ordering::SeqCst);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.written.lock().unwrap().extend_from_slice(lines);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn rotate(&mut self, _: Duration) -> io::Result<Option<Note>> {
        Ok(None)
    }
}

fn writing(disk: &Disk, max: usize) -> Arc<Queue> {
    let queue = Arc::new(Queue::new(max));
    let chain = Chain::new(Head::START, Hasher::new(None));
    let writer = Writer::new(queue.clone(), chain, Arc::default(), disk.clone(), Duration::ZERO);
    std::thread::spawn(move || writer.run());
    queue
}

fn report_of(disk: &Disk) -> (Report, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("audit.jsonl");
    fs::write(&file, &*disk.written.lock().unwrap()).unwrap();
    (verify(&file), lines(&file))
}

#[test]
fn what_a_full_disk_did_not_take_is_written_when_there_is_room_and_what_did_not_fit_meanwhile_is_said() {
    let disk = Disk::default();
    disk.failures.store(usize::MAX, Ordering::SeqCst);
    let queue = writing(&disk, 3);
    queue.push(note(0).draft(), Coming::IfThereIsRoom);
    while !queue.is_failing() {
        std::thread::yield_now();
    }
    assert!(!queue.reserve(), "whoever needs a line is told that there is none");
    for number in 1..=8 {
        queue.push(note(number).draft(), Coming::IfThereIsRoom);
    }
    disk.failures.store(0, Ordering::SeqCst);
    while queue.is_failing() {
        std::thread::yield_now();
    }
    assert!(queue.close(SOON));
    let (report, lines) = report_of(&disk);
    assert_eq!((report.broken, report.lost), (None, 5));
    let numbers: Vec<Option<u64>> = lines.iter().map(|line| line["detail"]["number"].as_u64()).collect();
    assert_eq!(numbers, [Some(0), Some(1), Some(2), Some(3), None, None]);
    assert_eq!((&lines[4]["event"], &lines[4]["detail"]["count"]), (&json!("lost"), &json!(5)));
}

#[test]
fn a_place_holds_until_its_record_comes() {
    let disk = Disk::default();
    let queue = writing(&disk, 2);
    assert!(queue.reserve() && queue.reserve() && !queue.reserve());
    queue.give_back();
    assert!(queue.reserve());
    queue.push(note(1).draft(), Coming::WithPlace);
    queue.push(note(2).draft(), Coming::WithPlace);
    assert!(queue.close(SOON));
    assert_eq!(report_of(&disk).0.lost, 0);
}

#[test]
fn refusals_beyond_a_hundred_in_a_second_are_counted_and_take_no_room() {
    let disk = Disk::default();
    let queue = writing(&disk, 1000);
    for _ in 0..150 {
        let (path, method) = ("/mcp".to_owned(), "POST".to_owned());
        let refusal =
            Refusal { time: Duration::from_secs(7), address: None, path, method, status: 401, principal: None };
        queue.push(refusal.draft(), Coming::IfThereIsRoom);
    }
    assert!(queue.close(SOON));
    let (report, lines) = report_of(&disk);
    let counted: u64 = lines.iter().filter_map(|line| line["detail"]["count"].as_u64()).sum();
    let own = lines.iter().filter(|line| line["status"] == 401).count();
    assert_eq!((report.broken, own, counted), (None, 100, 50));
}
