//! The file itself: read in one piece, refused when it cannot be a configuration.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::report::{Finding, Report};
use super::resolve::resolve;
use super::secrets::{BLOT, Secrets};
use super::tree::{self, Node};
use super::{Addition, Config, Environment, LeftOut, Registry, additions, defaults, fill};
use crate::net::Net;

/// The largest file that is read: some 50,000 checks.
const LARGEST: u64 = 4 << 20;

/// The text of a configuration and the name it goes by in reports.
#[derive(Debug, Clone)]
pub struct Source {
    /// As the user gave it; its folder is where relative paths start.
    pub path: PathBuf,
    pub text: String,
}

impl Source {
    /// Reads the file at `path`, if it is a text of a bearable size.
    pub fn read(path: &Path) -> Result<Self, Report> {
        let text = read_text(path).map_err(|finding| Report::new(path.display().to_string(), "", None, vec![finding]))?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// Turns the text into a configuration, with the given kinds of checks and channels.
    pub fn load(&self, registry: &Registry, env: &dyn Environment, net: &Arc<Net>) -> Result<Config, Report> {
        self.load_with(registry, env, net, &[]).map(|(config, _)| config)
    }

    /// The same with targets that were added beside those of the file.
    pub fn load_with(
        &self,
        registry: &Registry,
        env: &dyn Environment,
        net: &Arc<Net>,
        added: &[Addition],
    ) -> Result<(Config, LeftOut), Report> {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(&self.text);
        let report = |tree: Option<&Node>, findings| Report::new(self.path.display().to_string(), text, tree, findings);
        let mut tree = tree::parse(text).map_err(|findings| report(None, findings))?;
        let mut findings = fill::fill(&mut tree, self.folder(), env);
        defaults::apply(&mut tree);
        let left_out = additions::write(&mut tree, added, &registry.kinds);
        match resolve(&tree, text, self.folder(), registry, env, net) {
            Ok(config) if findings.is_empty() => Ok((Config { shown: shown(text, &tree).into(), ..config }, left_out)),
            Ok(_) => Err(report(Some(&tree), findings)),
            Err(mut more) => {
                // What could not be filled in is wrong in other ways too; that would only distract.
                more.retain(|finding| !findings.iter().any(|unfilled| unfilled.is_beside(finding)));
                findings.extend(more);
                Err(report(Some(&tree), findings))
            }
        }
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// The text as people may see it.
fn shown(text: &str, tree: &Node) -> String {
    let secrets = Secrets::for_all(tree);
    let mut shown = String::with_capacity(text.len());
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let mut from = 0;
        for blot in secrets.blots(line.trim_end(), start) {
            shown.push_str(&line[from..blot.start]);
            shown.push_str(BLOT);
            from = blot.end;
        }
        shown.push_str(&line[from..]);
        start += line.len();
    }
    shown
}

fn read_text(path: &Path) -> Result<String, Finding> {
    let cannot = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Finding::of_file("there is no such file").help("give the path of the file, or go to its folder"),
        _ => Finding::of_file(format!("cannot be read: {error}")),
    };
    // Asked before it is opened: opening a pipe waits for its writer.
    let metadata = fs::metadata(path).map_err(cannot)?;
    if metadata.is_dir() {
        return Err(Finding::of_file("is a directory").help("name the file in it: checks.yaml"));
    }
    if !metadata.is_file() {
        return Err(Finding::of_file("is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Finding::of_file("is larger than 4 MiB").help("put long lists of targets into a file of their own"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Finding::of_file(format!("is not UTF-8 text, from line {line} on")).help("save it as UTF-8")
    })?;
    if text.contains('\0') {
        return Err(Finding::of_file("holds a NUL byte: it is not a text"));
    }
    Ok(text)
}
