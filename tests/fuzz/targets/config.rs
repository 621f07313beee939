//! Any text is a configuration, or is refused with problems that say where.
#![no_main]

use std::{io, path::Path};

use libfuzzer_sys::fuzz_target;
use myelin::config::{Environment, Format, import_text, parse};

/// Every variable has the same text, which fits wherever an import puts a reference in place of a secret: in a URL, a header, a variable.
struct Everywhere;

impl Environment for Everywhere {
    fn variable(&self, name: &str) -> Option<String> {
        (!name.starts_with("UNSET")).then(|| "https://value.example/".to_owned())
    }

    fn file(&self, _: &Path) -> io::Result<String> {
        Ok("text\n".to_owned())
    }

    fn directory(&self) -> &Path {
        Path::new("/etc/myelin")
    }

    fn log_is_terminal(&self) -> bool {
        false
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for format in [Format::Yaml, Format::Json, Format::Toml] {
        if let Err(problems) = parse(text, "file", format, &Everywhere) {
            assert!(!problems.to_string().is_empty());
        }
        if let Ok(imported) = import_text(text, "file", format, &Everywhere)
            && imported.settings.is_some()
        {
            assert!(parse(&imported.yaml, "imported", Format::Yaml, &Everywhere).is_ok(), "{}", imported.yaml);
        }
    }
});
