//! The files that are written: never over another unless that is asked for, and the token for its owner alone.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

use crate::settings::Secret;

const FOR_ALL: u32 = 0o644;
const FOR_OWNER: u32 = 0o600;

/// Where the service of systemd has its configuration.
const OF_SERVICE: &str = "/etc/vakhta";

/// Says so when something is there, or no folder for it. Only a plain file is ever replaced.
pub fn ensure_free(path: &Path, force: bool) -> anyhow::Result<()> {
    anyhow::ensure!(force || fs::symlink_metadata(path).is_err(), "{} is there already; --force replaces it", path.display());
    let is_other = fs::symlink_metadata(path).is_ok_and(|there| !there.is_file());
    anyhow::ensure!(!is_other, "{} is no plain file; name the file to write", path.display());
    anyhow::ensure!(folder(path).is_dir(), "there is no folder {}", folder(path).display());
    Ok(())
}

pub fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where the watch keeps its state and its logs.
pub fn folders(path: &Path) -> (String, String) {
    let (state, logs) = if is_of_service(path) { ("/var/lib/vakhta", "/var/log/vakhta") } else { ("state", "logs") };
    (state.to_owned(), logs.to_owned())
}

pub fn is_of_service(path: &Path) -> bool {
    folder(path) == Path::new(OF_SERVICE)
}

/// Writes the configuration, and the token where it is to be kept.
pub fn write(path: &Path, text: &str, token: Option<(&Path, &Secret)>, force: bool) -> anyhow::Result<()> {
    if let Some((file, token)) = token {
        let line = format!("{}\n", token.expose());
        put(file, line.as_bytes(), FOR_OWNER, force).with_context(|| format!("cannot write {}", file.display()))?;
    }
    put(path, text.as_bytes(), FOR_ALL, force).with_context(|| {
        if let Some((file, _)) = token {
            // A token without a configuration is of no use; the error of the write is the one to tell.
            let _ = fs::remove_file(file);
        }
        format!("cannot write {}", path.display())
    })
}

/// A new file; with `force` in place of the one that is there, which stays whole until the new one is.
fn put(path: &Path, bytes: &[u8], mode: u32, force: bool) -> io::Result<()> {
    let create = |path: &Path| {
        let mut file = File::options().write(true).create_new(true).mode(mode).open(path)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if written.is_err() {
            // The error of the write is the one to tell.
            let _ = fs::remove_file(path);
        }
        written
    };
    if !force {
        return create(path);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    // Left behind by a run that was cut off.
    let _ = fs::remove_file(&beside);
    create(&beside)?;
    fs::rename(&beside, path)
}
