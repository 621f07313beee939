//! What is kept, for whom, and how much of it.

use std::{fs, path::Path, sync::Arc, time::Duration};

use crate::{
    jsonrpc::Raw,
    mcp::{CacheHint, CacheScope, ListKind, Offer},
    seal::KeyRing,
    upstream::{
        catalog::{Listing, Stock, read_entry},
        errand::{Dialect, Greeting},
        opening::Verdict,
    },
};

use super::{Key, Library, LibrarySettings, Volume};

const SETTINGS: LibrarySettings = LibrarySettings { max_bytes: 20_000, max_stale: Duration::from_secs(60) };

fn key(server: &str, reader: Option<&str>) -> Key {
    Key { server: server.into(), reader: reader.map(Into::into) }
}

fn volume(key: Key, tool: &str) -> Volume {
    let raw = Raw::from_value(&serde_json::json!({ "name": tool, "inputSchema": { "type": "object" }, "n": 1.0 }));
    let listed = vec![read_entry(ListKind::Tools, &raw).unwrap()];
    let hint = CacheHint { ttl: Duration::from_secs(5), scope: CacheScope::Private };
    let offered = listed.clone();
    let stock = Stock::read(Listing { listed, offered, hint }, 0, SETTINGS.max_stale);
    let capabilities = Raw::literal(r#"{"tools":{"listChanged":true},"extensions":{"a/b":{"v":1}}}"#);
    let offer = Offer::read(&capabilities.object().unwrap(), Some("use it".to_owned()));
    let greeting = Arc::new(Greeting { dialect: Dialect::Modern, offer });
    let lists = [Some(Arc::new(stock)), None, None, None];
    Volume { key, identity: "id".into(), verdict: Verdict::Modern, greeting, lists }
}

fn listed(library: &Library, key: Key) -> Option<String> {
    let volume = library.find(key, "id")?;
    let stock = volume.lists[0].as_ref().unwrap();
    Some(stock.listed().iter().map(|entry| entry.raw.as_str()).collect())
}

fn open(folder: &Path, ring: &str) -> Arc<Library> {
    Arc::new(Library::open(SETTINGS, folder, Arc::new(KeyRing::new([ring]).unwrap())))
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder.join("catalogs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn what_is_private_is_found_by_its_reader_and_what_is_public_by_everybody() {
    let library = Library::of_memory(SETTINGS);
    library.put(volume(key("up", Some("alice")), "own"));
    assert_eq!(listed(&library, key("up", Some("bob"))), None);
    assert_eq!(listed(&library, key("up", None)), None);
    assert_eq!(listed(&library, key("other", Some("alice"))), None);
    library.put(volume(key("up", None), "common"));
    assert!(listed(&library, key("up", Some("alice"))).unwrap().contains("own"));
    assert!(listed(&library, key("up", Some("bob"))).unwrap().contains("common"));
    assert!(library.find(key("up", None), "other settings").is_none());
    assert_eq!((library.verdict("up", "id"), library.verdict("up", "x")), (Some(Verdict::Modern), None));
    library.forget(&"up".into(), "alice");
    assert!(listed(&library, key("up", Some("alice"))).unwrap().contains("common"));
}

#[test]
fn the_least_recently_used_go_when_there_is_more_than_may_be() {
    let library = Library::of_memory(SETTINGS);
    let one = volume(key("s0", None), "t").bytes();
    let most = SETTINGS.max_bytes / one;
    for number in 0..most {
        library.put(volume(key(&format!("s{number}"), None), "t"));
    }
    assert!(listed(&library, key("s0", None)).is_some(), "all have room, and this one is used");
    library.put(volume(key("another", None), "t"));
    assert!(listed(&library, key("s0", None)).is_some() && listed(&library, key("another", None)).is_some());
    assert_eq!(listed(&library, key("s1", None)), None);
    library.put(volume(key("large", None), &"x".repeat(SETTINGS.max_bytes)));
    assert_eq!(listed(&library, key("large", None)), None, "what has no room takes none");
    assert!(listed(&library, key("s0", None)).is_some());
}

#[tokio::test]
async fn what_is_written_is_found_again_byte_for_byte_by_this_ring_and_under_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let library = open(folder.path(), "ring");
    library.put(volume(key("up", Some("alice")), "own"));
    library.put(volume(key("up", Some("bob")), "bobs"));
    library.flush().await;
    let again = open(folder.path(), "ring");
    let found = again.find(key("up", Some("alice")), "id").unwrap();
    let kept = volume(key("up", Some("alice")), "own");
    assert!(found.says_what(&kept), "{}", found.written().as_str());
    assert_eq!(found.greeting.offer, kept.greeting.offer);
    let [one, other] = files(folder.path()).try_into().unwrap();
    // Somebody who can write to the folder makes alice read what is bob's.
    fs::copy(&one, &other).unwrap();
    let again = open(folder.path(), "ring");
    let both = ["alice", "bob"].map(|reader| listed(&again, key("up", Some(reader))));
    assert_eq!(both.iter().flatten().count(), 1, "{both:?}");
    assert_eq!(files(folder.path()).len(), 1, "what is no volume is removed");
    assert_eq!(listed(&open(folder.path(), "another ring"), key("up", Some("alice"))), None);
    assert!(files(folder.path()).is_empty());
}

#[tokio::test]
async fn what_goes_goes_from_the_folder_too() {
    let folder = tempfile::tempdir().unwrap();
    let library = open(folder.path(), "ring");
    let most = SETTINGS.max_bytes / volume(key("s0", None), "t").bytes();
    for number in 0..2 * most {
        library.put(volume(key(&format!("s{number}"), None), "t"));
    }
    library.flush().await;
    assert_eq!(files(folder.path()).len(), most);
    library.forget(&"up".into(), "nobody");
    library.put(volume(key("up", Some("alice")), "t"));
    library.flush().await;
    library.forget(&"up".into(), "alice");
    library.flush().await;
    assert_eq!(files(folder.path()).len(), most - 1);
}
