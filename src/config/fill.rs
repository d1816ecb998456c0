//! `${…}` in scalars: environment variables, files and systemd credentials. Never in raw text, where a value
//! with `: ` or `#` in it would rewrite the document.

use std::io::{self, Read};
use std::path::Path;

use super::report::Finding;
use super::tree::Node;

/// The most that `${file:…}` takes in.
const LARGEST_FILE: u64 = 64 << 10;

/// What a configuration may ask of the machine it is read on; passed in, so that a test needs no machine.
pub trait Environment {
    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// The name of this machine, where the file names none.
    fn host_name(&self) -> String;
    /// The IANA name of the machine's time zone, where the file names none.
    fn time_zone(&self) -> Option<String>;
}

/// The real one.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Environment for System {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn host_name(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    fn time_zone(&self) -> Option<String> {
        iana_time_zone::get_timezone().ok()
    }
}

/// Fills every scalar below `node`; what cannot be filled is left as it is and reported.
pub fn fill(node: &mut Node, folder: &Path, env: &dyn Environment) -> Vec<Finding> {
    let mut findings = Vec::new();
    node.scalars_mut(&mut |scalar, at| {
        if !scalar.text.contains("${") {
            return;
        }
        match filled(&scalar.text, folder, env) {
            Ok((text, foreign)) => {
                scalar.filled = text != scalar.text;
                scalar.text = text;
                scalar.foreign = foreign;
            }
            Err((message, help)) => findings.push(Finding::at(at.clone(), message).help(help)),
        }
    });
    findings
}

/// What is wrong and what to do.
type Complaint = (String, String);

/// The text with its references replaced, and what came from outside the file.
fn filled(text: &str, folder: &Path, env: &dyn Environment) -> Result<(String, Vec<String>), Complaint> {
    let mut out = String::with_capacity(text.len());
    let mut foreign = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        // `$${` is a `${` that stays; the first `$` has just been copied.
        if rest[..start].ends_with('$') {
            out.push('{');
            rest = &rest[start + 2..];
            continue;
        }
        let inner = &rest[start + 2..];
        let end = inner.find('}').ok_or_else(|| ("`${` has no closing `}`".to_owned(), "write `$${` for a `${` that stays".to_owned()))?;
        let reference = &inner[..end];
        let value = looked_up(reference, folder, env)?;
        out.push_str(&value);
        // A default stands in the file for everyone to see.
        if reference.split_once(":-").is_none_or(|(_, default)| default != value) {
            foreign.push(value);
        }
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    Ok((out, foreign))
}

fn looked_up(reference: &str, folder: &Path, env: &dyn Environment) -> Result<String, Complaint> {
    if let Some(path) = reference.strip_prefix("file:") {
        let path = folder.join(path);
        return read(&path).map_err(|cause| (format!("cannot read {}: {cause}", path.display()), String::new()));
    }
    if let Some(name) = reference.strip_prefix("credential:") {
        let help = format!("give the unit `LoadCredential={name}:/path/to/file`");
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return Err((format!("`{name}` is not the name of a credential"), String::new()));
        }
        let directory = env
            .variable("CREDENTIALS_DIRECTORY")
            .ok_or_else(|| (format!("no credential `{name}`: CREDENTIALS_DIRECTORY is not set"), help.clone()))?;
        return read(&Path::new(&directory).join(name)).map_err(|cause| (format!("cannot read the credential `{name}`: {cause}"), help));
    }
    let (name, default) = reference.split_once(":-").map_or((reference, None), |(name, default)| (name, Some(default)));
    let well_named =
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !well_named {
        let message = format!("`${{{reference}}}` is not a reference");
        return Err((
            message,
            "write `${NAME}`, `${NAME:-default}`, `${file:PATH}`, `${credential:NAME}`, or `$${` for a `${` that stays".to_owned(),
        ));
    }
    match (env.variable(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err((format!("the variable {name} is not set"), format!("set it, or write `${{{name}:-default}}`"))),
    }
}

/// A small text file without the line break at its end.
fn read(path: &Path) -> io::Result<String> {
    // A pipe or a device could keep us waiting for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut text = String::new();
    std::fs::File::open(path)?.take(LARGEST_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other("larger than 64 KiB"));
    }
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    Ok(text)
}
