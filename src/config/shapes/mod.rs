//! The forms of single values: durations, sizes, counts, words, addresses, texts, and lists and mappings of them.

mod address;
mod collection;
mod confined;
mod matching;
mod pace;
mod quantity;
mod switched;
mod text;
mod way;
mod words;

pub(super) use address::{Address, Block, Host, Meeting, Origin, Outside};
pub(super) use collection::{List, Mapping, OneOrMany};
pub(super) use confined::{Account, OrOff, Space};
pub(super) use matching::{Matched, Matching};
pub(super) use pace::{PaceWord, QuotaWord};
pub(super) use quantity::{Bytes, CallTime, Count, Date, Time, written_duration};
pub(super) use switched::{AddressOrOff, Admin, EveryOrOff, ServerAuth};
pub(super) use text::{Allow, FilePath, Flag, Glob, Ignored, SchemaAddress, Secret, Text};
pub(super) use way::WayWord;
pub(super) use words::{Choice, LogWord, ProofWord, WireWord};
