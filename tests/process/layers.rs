//! The house rules that no compiler checks: layers, who may name which library, and the size of files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::harness::repository;

const MOST_LINES: usize = 500;

/// A source file below `src`.
struct Source {
    path: PathBuf,
    /// The module at the top that it belongs to; `lib` and `main` are none.
    module: Option<String>,
    text: String,
}

impl Source {
    /// Its text without comments that are lines of their own, which may speak of anything.
    fn code(&self) -> String {
        let code = self.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        code.collect::<Vec<_>>().join("\n")
    }
}

fn sources() -> Vec<Source> {
    let src = repository().join("src");
    let mut sources = Vec::new();
    collect(&src, &src, &mut sources);
    assert!(sources.len() > 20);
    sources
}

fn collect(src: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(src, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(src).unwrap().to_owned();
            let first = path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let module = (!matches!(first.as_str(), "lib" | "main")).then_some(first);
            sources.push(Source { path, module, text });
        }
    }
}

/// The table in the documentation of `src/lib.rs`: module to layer.
fn layers() -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(repository().join("src/lib.rs")).unwrap();
    let rows =
        text.lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |")?.split_once(" | "));
    let mut layers = BTreeMap::new();
    for (layer, modules) in rows {
        let Ok(layer) = layer.parse() else { continue };
        for module in modules.split(", ") {
            let module = module.trim_matches(['[', '`', ']']).to_owned();
            assert_eq!(layers.insert(module.clone(), layer), None, "{module} is in the table twice");
        }
    }
    layers
}

/// The modules that code names after `crate::`.
fn used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (_, rest) in code.match_indices("crate::").map(|(at, found)| code.split_at(at + found.len())) {
        match rest.strip_prefix('{') {
            // `use crate::{a::B, c::{D, E}};`: what stands at depth one.
            Some(group) => {
                let mut depth = 1;
                let mut name = String::new();
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 || (depth == 1 && c == ',') {
                        used.insert(first_name(name.trim()));
                        name.clear();
                    } else {
                        name.push(c);
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            None => _ = used.insert(first_name(rest)),
        }
    }
    used.remove("");
    used
}

fn first_name(path: &str) -> String {
    path.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

#[test]
fn paths_after_crate_are_understood() {
    let code =
        "use crate::a::B;\nuse crate::{c, d::{E, F}, g::H as I};\nfn f() { crate::j::k(); } use ::other::x;";
    assert_eq!(used(code).into_iter().collect::<Vec<_>>(), ["a", "c", "d", "g", "j"]);
}

#[test]
fn every_module_is_in_the_table_and_the_table_has_no_others() {
    let layers = layers();
    let modules: BTreeSet<_> = sources().into_iter().filter_map(|source| source.module).collect();
    assert_eq!(layers.into_keys().collect::<BTreeSet<_>>(), modules);
}

#[test]
fn no_module_uses_one_of_a_higher_layer() {
    let layers = layers();
    let mut seen = 0;
    for source in sources() {
        let Some(module) = &source.module else { continue };
        for name in used(&source.code()) {
            let layer =
                layers.get(&name).unwrap_or_else(|| panic!("{}: crate::{name}", source.path.display()));
            assert!(
                *layer <= layers[module],
                "src/{}: {module} is in layer {}, and uses {name} of layer {layer}",
                source.path.display(),
                layers[module]
            );
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} uses were found");
}

#[test]
fn no_modules_use_each_other_in_a_circle() {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        let Some(module) = source.module.clone() else { continue };
        let mut others = used(&source.code());
        others.remove(&module);
        uses.entry(module).or_default().extend(others);
    }
    // Those that use nothing of what is left are taken away, until nothing is left but circles.
    while let Some(lowest) = uses.iter().find(|(_, of)| !of.iter().any(|name| uses.contains_key(name))) {
        let lowest = lowest.0.clone();
        uses.remove(&lowest);
    }
    assert!(uses.is_empty(), "{uses:#?}");
}

#[test]
fn libraries_stay_where_they_belong() {
    for (library, home) in [
        ("hyper", "server"),
        ("hyper_util", "server"),
        ("lettre", "notify"),
        ("rusqlite", "store"),
        ("r2d2", "store"),
        ("prometheus_client", "metrics"),
    ] {
        let mut homes = BTreeSet::new();
        for source in sources() {
            let code = source.code();
            let mut words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            if words.any(|word| word == library) {
                homes.insert(source.module.unwrap_or_else(|| source.path.display().to_string()));
            }
        }
        assert_eq!(homes.into_iter().collect::<Vec<_>>(), [home], "{library}");
    }
}

#[test]
fn no_file_is_too_long_to_be_read() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= MOST_LINES, "src/{} has {lines} lines", source.path.display());
    }
}
