//! Who may import whom, as src/README.md has it: the walls of the house, kept by reading every `crate::` path.

use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// Each room and the rooms it may know.
const WALLS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("net", &["domain"]),
    ("settings", &["domain", "net"]),
    ("checks", &["domain", "settings", "net"]),
    ("notify", &["domain", "settings", "net"]),
    ("heartbeat", &["domain", "settings", "net", "control"]),
    ("config", &["domain", "settings", "checks", "notify", "net", "heartbeat"]),
    ("clock", &["domain"]),
    ("runner", &["domain", "checks", "net"]),
    ("status", &["domain"]),
    ("journal", &["domain", "control"]),
    ("store", &["domain", "access"]),
    ("story", &["domain", "settings", "config", "journal", "net"]),
    ("control", &["domain"]),
    ("allocator", &[]),
    ("systemd", &[]),
    ("access", &[]),
    ("web", &["domain", "net", "access", "store", "clock", "checks", "config", "control", "journal"]),
    (
        "app",
        &[
            "domain",
            "checks",
            "notify",
            "config",
            "control",
            "clock",
            "runner",
            "status",
            "journal",
            "store",
            "systemd",
            "web",
            "heartbeat",
        ],
    ),
    (
        "cli",
        &[
            "domain", "access", "settings", "checks", "notify", "config", "control", "net", "clock", "runner", "status", "journal",
            "store", "story", "app",
        ],
    ),
];

#[test]
fn nobody_reaches_through_a_wall() {
    let mut breaches = Vec::new();
    let files = sources();
    assert!(files.len() > 30, "the sources are there");
    for file in files {
        let relative = file.strip_prefix(root()).unwrap().to_owned();
        let room = room(&relative);
        let Some((_, may)) = WALLS.iter().find(|(name, _)| *name == room) else {
            assert!(["lib", "main"].contains(&room.as_str()), "src/{room} has no walls: add it to the list");
            continue;
        };
        for (line, path) in paths(&file) {
            if path.first().is_some_and(|first| first != &room && !may.contains(&first.as_str())) {
                breaches.push(format!("src/{}:{line}: {room} must not know {}", relative.display(), path.join("::")));
            }
            if let Some(other) = other_plugin(&relative, &path) {
                breaches.push(format!("src/{}:{line}: a plugin must not know the plugin {other}", relative.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn domain_knows_no_async_no_input_and_no_clock() {
    const FOREIGN: [&str; 9] =
        ["tokio", "reqwest", "std::fs", "std::net", "std::io", "std::time::Instant", "std::time::SystemTime", "tracing", "std::env"];
    for file in sources().into_iter().filter(|file| file.strip_prefix(root()).unwrap().starts_with("domain")) {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for foreign in FOREIGN.into_iter().chain(["async fn", "Utc::now", "Local::now", ".await"]) {
            assert!(!code.contains(foreign), "{} has {foreign}", file.display());
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file; tests may look where they like.
fn sources() -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![root()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests" && name != "testing" {
                files.push(path);
            }
        }
    }
    files
}

fn room(relative: &Path) -> String {
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// `checks/http/…` may not name `checks::ping`.
fn other_plugin(relative: &Path, path: &[String]) -> Option<String> {
    let plugins = |folder: &str| -> Vec<String> {
        let shared = ["mod", "request", "patient", "program", "sample", "text", "README"];
        let names = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned());
        names.filter(|name| !shared.contains(&name.as_str())).collect()
    };
    let folder = room(relative);
    if !["checks", "notify"].contains(&folder.as_str()) {
        return None;
    }
    let own = Path::new(relative.components().nth(1)?.as_os_str()).file_stem()?.to_string_lossy().into_owned();
    let other = path.get(1).filter(|_| path[0] == folder)?;
    (own != "mod" && *other != own && plugins(&folder).contains(other)).then(|| other.clone())
}

/// Every path that starts at `crate::`, with its line.
fn paths(file: &Path) -> Vec<(usize, Vec<String>)> {
    struct Paths(Vec<(usize, Vec<String>)>);
    impl Visit<'_> for Paths {
        fn visit_item_mod(&mut self, module: &syn::ItemMod) {
            if !module.attrs.iter().any(|attribute| matches!(&attribute.meta, syn::Meta::List(list) if list.path.is_ident("cfg") && list.tokens.to_string() == "test")) {
                syn::visit::visit_item_mod(self, module);
            }
        }
        fn visit_item_use(&mut self, item: &syn::ItemUse) {
            collect(&item.tree, &mut Vec::new(), &mut self.0);
        }
        fn visit_path(&mut self, path: &syn::Path) {
            let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            if names[0] == "crate" {
                self.0.push((path.segments[0].ident.span().start().line, names[1..].to_vec()));
            }
            syn::visit::visit_path(self, path);
        }
    }
    fn collect(tree: &syn::UseTree, prefix: &mut Vec<(String, usize)>, found: &mut Vec<(usize, Vec<String>)>) {
        let mut leaf = |prefix: &[(String, usize)]| {
            if prefix.first().is_some_and(|(first, _)| first == "crate") {
                found.push((prefix[0].1, prefix[1..].iter().map(|(name, _)| name.clone()).collect()));
            }
        };
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push((path.ident.to_string(), path.ident.span().start().line));
                collect(&path.tree, prefix, found);
                prefix.pop();
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| collect(tree, prefix, found)),
            syn::UseTree::Name(name) => {
                prefix.push((name.ident.to_string(), 0));
                leaf(prefix);
                prefix.pop();
            }
            syn::UseTree::Rename(_) | syn::UseTree::Glob(_) => leaf(prefix),
        }
    }
    let parsed = syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap();
    let mut found = Paths(Vec::new());
    found.visit_file(&parsed);
    found.0
}
