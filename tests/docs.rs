//! Documents that do not lie: links lead somewhere, commands run, tables are what the program says.
//!
//! What is generated (the configuration reference) is written anew by `UPDATE_EXPECTED=1 cargo test --test docs`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking, its helpers too")]

#[path = "docs/markdown.rs"]
mod markdown;
#[path = "docs/reference.rs"]
mod reference;
#[path = "docs/session.rs"]
mod session;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use markdown::{anchors, code_words, documents, fences, links, read, root, table_cells};
use myelin::{
    config::{self, Format, ProcessEnvironment},
    telemetry::label,
};

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut dead = Vec::new();
    for document in documents() {
        for link in links(&read(&document)) {
            if !leads_somewhere(&document, &link) {
                dead.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

fn leads_somewhere(document: &Path, link: &str) -> bool {
    if link.starts_with("https://") || link.starts_with("http://") || link.starts_with("mailto:") {
        return true;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = if path.is_empty() { document.to_owned() } else { document.parent().unwrap().join(path) };
    target.exists() && anchor.is_none_or(|anchor| anchors(&read(&target)).contains(anchor))
}

#[test]
fn the_first_documents_to_read_stay_short() {
    for name in ["README.md", "ARCHITECTURE.md"] {
        let lines = read(&root().join(name)).lines().count();
        assert!(lines <= 200, "{name} has {lines} lines");
    }
}

#[test]
fn the_layers_are_those_that_the_sources_are_held_to() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let table = text.split_once("<!-- layers -->").unwrap().1.split_once("\n\n").unwrap().0;
    let drawn: Vec<Vec<&str>> = table_cells(table, 1).into_iter().map(code_words).collect();
    let rules = read(&root().join("tests/tidy/layers.rs"));
    let rules = rules.split_once("const LAYERS").unwrap().1.split_once("\n];").unwrap().0;
    let rows = rules.lines().filter(|line| line.trim_start().starts_with("&["));
    let held: Vec<Vec<&str>> =
        rows.map(|row| row.split('"').skip(1).step_by(2).filter(|name| exists(name)).collect()).collect();
    assert_eq!(drawn, held);
}

/// The rules may name modules that are yet to come; a document does not.
fn exists(module: &str) -> bool {
    let path = root().join("src").join(module);
    path.is_dir() || path.with_extension("rs").is_file()
}

#[test]
fn every_test_that_holds_an_invariant_or_stops_an_attack_exists() {
    let sources = markdown::sources();
    for document in ["ARCHITECTURE.md", "SECURITY.md"] {
        let text = read(&root().join(document));
        for claim in code_words(&text).into_iter().filter(|word| word.matches('_').count() >= 3) {
            assert!(sources.contains(&format!("fn {claim}(")), "{document}: there is no test `{claim}`");
        }
    }
}

#[test]
fn what_counts_at_the_start_is_what_the_documents_say() {
    let source = read(&root().join("src/app/keep.rs"));
    let (_, fixed) = source.split_once("let fixed = [").unwrap();
    let (fixed, _) = fixed.split_once("];").unwrap();
    let warned: BTreeSet<&str> =
        fixed.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next()).collect();
    let operations = read(&root().join("docs/operations.md"));
    let said = operations.lines().find(|line| line.contains("are those of the start")).unwrap();
    // The files of `tls` are read anew; their names belong to the listener, as `listen` does.
    let said: BTreeSet<&str> = code_words(said).into_iter().filter(|word| *word != "tls").collect();
    assert_eq!(said, warned);
}

#[test]
fn the_configuration_reference_is_what_the_schema_says() {
    let path = root().join("docs/configuration.md");
    let text = read(&path);
    let (before, rest) = text.split_once("<!-- keys -->\n").unwrap();
    let (found, after) = rest.split_once("<!-- /keys -->").unwrap();
    let expected = reference::render(&root().join("config/schema.json"));
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, format!("{before}<!-- keys -->\n{expected}<!-- /keys -->{after}")).unwrap();
    } else {
        assert_eq!(found, expected, "run `UPDATE_EXPECTED=1 cargo test --test docs`");
    }
}

#[test]
fn every_configuration_in_a_document_is_valid() {
    for document in documents() {
        for fence in fences(&read(&document)).into_iter().filter(|fence| fence.language == "yaml") {
            let parsed = config::parse(&fence.text, "the document", Format::Yaml, &ProcessEnvironment::new(""));
            assert!(parsed.is_ok(), "{}: {}\n{}", document.display(), parsed.unwrap_err(), fence.text);
        }
    }
}

#[test]
fn the_list_of_metrics_is_what_a_gateway_serves() {
    let served: BTreeSet<String> = session::metrics_after_a_call().lines().filter_map(family).collect();
    let text = read(&root().join("docs/operations.md"));
    let rows = text.lines().filter(|line| line.starts_with("| `myelin_"));
    let listed: BTreeSet<String> =
        rows.filter_map(|row| code_words(row).first().map(|name| (*name).to_owned())).collect();
    assert_eq!(listed, served);
}

#[test]
fn every_limit_names_a_metric_that_shows_it() {
    let text = read(&root().join("docs/operations.md"));
    let rows = text.lines().filter(|line| line.starts_with("| `myelin_"));
    let metrics: BTreeSet<&str> = rows.filter_map(|row| code_words(row).first().copied()).collect();
    let limits: BTreeSet<&str> = label::Limit::ALL.iter().map(|limit| limit.name()).collect();
    let (_, table) = text.split_once("\n## Limits\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows: Vec<&str> =
        table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| **")).skip(1).collect();
    assert!(rows.len() > 30, "{}", rows.len());
    for row in rows {
        let seen_in = row.trim_matches('|').split('|').next_back().unwrap();
        // A word beside a metric is a value of its label.
        let words: Vec<&str> = code_words(seen_in).iter().filter_map(|word| word.split('{').next()).collect();
        let is_known = |word: &&str| metrics.contains(word) || limits.contains(word);
        assert!(words.iter().any(|word| metrics.contains(word)) && words.iter().all(is_known), "{row}");
    }
}

/// The name that a query uses, from a line `# TYPE name kind`.
fn family(line: &str) -> Option<String> {
    let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
    Some(if kind == "counter" { format!("{name}_total") } else { name.to_owned() })
}

#[test]
fn the_clients_snippets_are_the_examples() {
    let examples: Vec<String> =
        markdown::files(&root().join("config/examples/clients")).iter().map(|path| read(path)).collect();
    let readme = read(&root().join("README.md"));
    let json = fences(&readme).into_iter().filter(|fence| fence.language == "json");
    for fence in json {
        assert!(examples.iter().any(|example| squeezed(example).contains(&squeezed(&fence.text))), "{}", fence.text);
    }
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn the_readme_lists_every_command() {
    let help = Command::new(env!("CARGO_BIN_EXE_myelin")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
    let commands =
        commands.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    let commands: BTreeSet<String> = commands.filter(|name| *name != "help").map(str::to_owned).collect();
    let readme = read(&root().join("README.md"));
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `myelin "));
    let listed: BTreeSet<String> = rows.filter_map(|row| row.split([' ', '`']).next()).map(str::to_owned).collect();
    assert_eq!(listed, commands);
}

#[test]
fn the_examples_of_policies_are_configurations() {
    let examples = fences(&read(&root().join("docs/policies.md")));
    let examples: Vec<_> = examples.iter().filter(|fence| fence.language == "yaml").collect();
    assert!(examples.len() >= 3);
    for example in examples {
        let parsed = config::parse(&example.text, "example", Format::Yaml, &ProcessEnvironment::new(""));
        assert!(parsed.is_ok(), "{}\n{}", example.text, parsed.unwrap_err());
    }
}

#[test]
fn every_command_in_the_readme_runs() {
    session::run(&fences(&read(&root().join("README.md"))));
}
