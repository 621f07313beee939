//! Which file of the crate uses which.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    lexer::{is_word, words},
    source::Source,
};

type Path = Vec<String>;

/// The modules of the crate, and what each of them hands on.
pub(crate) struct Crate<'a> {
    modules: BTreeMap<Vec<&'a str>, &'a Source>,
    /// Of each module: a name, and the path that it stands for.
    handed_on: BTreeMap<Vec<&'a str>, BTreeMap<String, Path>>,
}

impl<'a> Crate<'a> {
    /// Reads the modules. The binary is no part of the library's graph.
    pub(crate) fn new(sources: &'a [Source]) -> Self {
        let modules = sources
            .iter()
            .filter(|source| source.path != "src/main.rs")
            .map(|source| (source.module(), source))
            .collect();
        let mut graph = Self { modules, handed_on: BTreeMap::new() };
        let handed_on = graph.modules.iter().map(|(module, source)| {
            let uses = uses(&source.code).into_iter().filter(|used| used.is_public);
            let names = uses.filter_map(|used| Some((used.name, graph.absolute(module, &used.path)?)));
            (module.clone(), names.collect())
        });
        graph.handed_on = handed_on.collect();
        graph
    }

    /// The absolute paths that a file names, re-exports left out.
    pub(crate) fn named(&self, source: &Source) -> BTreeSet<Path> {
        let module = source.module();
        let imports: Vec<Used> = uses(&source.code).into_iter().filter(|used| !used.is_public).collect();
        let mut named: BTreeSet<Path> = imports.iter().filter_map(|used| self.absolute(&module, &used.path)).collect();
        let known: BTreeMap<&str, Path> =
            imports.iter().filter_map(|used| Some((used.name.as_str(), self.absolute(&module, &used.path)?))).collect();
        for path in paths(&without_uses(&source.code)) {
            let first = path.first().map_or("", String::as_str);
            match known.get(first) {
                Some(import) => named.insert(import.iter().chain(path.iter().skip(1)).cloned().collect()),
                None => self.absolute(&module, &path).is_some_and(|path| named.insert(path)),
            };
        }
        named
    }

    /// The file in which the thing of that path is defined, as near as names tell.
    pub(crate) fn file(&self, path: &[String]) -> Option<&'a str> {
        self.follow(path, 0)
    }

    fn follow(&self, path: &[String], depth: usize) -> Option<&'a str> {
        let known = (0..=path.len()).rev().find(|length| self.modules.contains_key(&borrowed(&path[..*length])))?;
        let module = borrowed(&path[..known]);
        let next = path.get(known).and_then(|name| self.handed_on.get(&module)?.get(name));
        match next {
            Some(elsewhere) if depth < 8 => {
                let onward: Path = elsewhere.iter().chain(&path[known + 1..]).cloned().collect();
                self.follow(&onward, depth + 1)
            }
            _ => self.modules.get(&module).map(|source| source.path.as_str()),
        }
    }

    /// The path from the crate's root. `None` for other crates' things.
    fn absolute(&self, module: &[&str], path: &[String]) -> Option<Path> {
        let owned = |segments: &[&str]| segments.iter().map(|segment| (*segment).to_owned()).collect::<Path>();
        let supers = path.iter().take_while(|segment| *segment == "super").count();
        let (base, rest) = match path.first()?.as_str() {
            "crate" => (Path::new(), &path[1..]),
            "self" => (owned(module), &path[1..]),
            "super" => (owned(module.get(..module.len().checked_sub(supers)?)?), &path[supers..]),
            first => {
                let child: Vec<&str> = module.iter().copied().chain([first]).collect();
                self.modules.contains_key(&child).then_some(())?;
                (owned(module), path)
            }
        };
        Some(base.into_iter().chain(rest.iter().cloned()).collect())
    }
}

fn borrowed(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

struct Used {
    path: Path,
    /// The name under which it is known from here on.
    name: String,
    is_public: bool,
}

/// The leaves of every `use` tree.
fn uses(code: &str) -> Vec<Used> {
    let mut found = Vec::new();
    for at in words(code, "use") {
        let line = code[..at].rsplit(['\n', ';', '{', '}']).next().unwrap_or_default().trim();
        let Some(end) = code[at..].find(';') else { continue };
        for (path, name) in leaves(code[at + 3..at + end].trim()) {
            found.push(Used { path, name, is_public: line.starts_with("pub") });
        }
    }
    found
}

fn leaves(tree: &str) -> Vec<(Path, String)> {
    let Some((stem, inside)) = tree.split_once('{') else {
        let (path, alias) =
            tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim().to_owned())));
        let path: Path =
            path.split("::").map(|segment| segment.trim().to_owned()).filter(|segment| !segment.is_empty()).collect();
        let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
        return vec![(path, name)];
    };
    let stem: Path =
        stem.split("::").map(|segment| segment.trim().to_owned()).filter(|segment| !segment.is_empty()).collect();
    let joined = |(path, name): (Path, String)| match (path.as_slice(), stem.last()) {
        ([only], Some(last)) if only == "self" => (stem.clone(), if name == "self" { last.clone() } else { name }),
        _ => (stem.iter().chain(&path).cloned().collect(), name),
    };
    branches(inside.rsplit_once('}').map_or(inside, |(inside, _)| inside))
        .into_iter()
        .flat_map(leaves)
        .map(joined)
        .collect()
}

/// Splits at the commas of the outermost level.
fn branches(inside: &str) -> Vec<&str> {
    let (mut depth, mut start, mut out) = (0, 0, Vec::new());
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                out.push(inside[start..at].trim());
                start = at + 1;
            }
            _ => (),
        }
    }
    out.push(inside[start..].trim());
    out.retain(|branch| !branch.is_empty());
    out
}

/// The code with its `use` items blank.
fn without_uses(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for at in words(code, "use") {
        let end = code[at..].find(';').map_or(code.len(), |end| at + end);
        out[at..end].fill(b' ');
    }
    String::from_utf8(out).unwrap()
}

/// Every `a::b::c` in the code, but for those that only say who may see a thing.
fn paths(code: &str) -> Vec<Path> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("::") {
        let start = rest[..at].bytes().rposition(|byte| !is_word(byte)).map_or(0, |before| before + 1);
        let end = at + rest[at..].bytes().position(|byte| !is_word(byte) && byte != b':').unwrap_or(rest.len() - at);
        let path: Path =
            rest[start..end].split("::").filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
        if !rest[..start].ends_with("pub(in ") {
            found.push(path);
        }
        rest = &rest[end..];
    }
    found
}

#[test]
fn reads_use_trees() {
    let paths: Vec<String> = leaves("crate::{a::{self, B as C}, d::*}")
        .into_iter()
        .map(|(path, name)| format!("{} {name}", path.join(".")))
        .collect();
    assert_eq!(paths, ["crate.a a", "crate.a.B C", "crate.d.* *"]);
}
