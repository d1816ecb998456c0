//! File systems: how full they are, and which of them may keep us waiting for ever.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future;
use procfs::MountEntry;
use rustix::fs::{StatVfs, statvfs};
use rustix::io::Errno;

use super::Root;
use crate::checks::patient::{NoAnswer, Patient};
use crate::domain::reading::{Reading, Target};

/// File systems on local disks; asking them how full they are never waits for anyone.
const LOCAL: [&str; 15] =
    ["ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "nilfs2", "reiserfs", "bcachefs", "zfs", "vfat", "exfat", "ntfs3", "ubifs"];

type Answer = Result<StatVfs, Errno>;

/// The file systems to be read.
pub struct Disks {
    /// `None`: `/` and all local writable ones.
    chosen: Option<Vec<String>>,
    /// Those that may hang, by mount point.
    patients: HashMap<String, Patient<Answer>>,
}

impl Disks {
    pub fn new(chosen: Option<Vec<String>>) -> Self {
        let chosen = chosen.map(|paths| each_once(paths.into_iter().map(without_slash).collect()));
        Self { chosen, patients: HashMap::new() }
    }

    pub fn count(&self, root: &Root) -> usize {
        self.paths(root).len()
    }

    /// What would be read now.
    pub fn paths(&self, root: &Root) -> Vec<String> {
        self.chosen.clone().unwrap_or_else(|| local_disks(root, &mounts(root)))
    }

    /// One reading for each disk, all within `within`, whichever of them hangs.
    pub async fn read(&mut self, root: &Root, within: Duration) -> Vec<Reading> {
        let mounts = mounts(root);
        let paths = self.chosen.clone().unwrap_or_else(|| local_disks(root, &mounts));
        let looks = paths.into_iter().map(|path| {
            let patient = if answers_at_once(&path, &mounts) { None } else { Some(self.patients.remove(&path).unwrap_or_default()) };
            look(root.below(&path), path, patient, within)
        });
        let mut readings = Vec::new();
        for (path, patient, reading) in future::join_all(looks).await {
            self.patients.extend(patient.map(|patient| (path, patient)));
            readings.push(reading);
        }
        readings
    }
}

/// Keeps the first of each.
pub fn each_once(mut names: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn without_slash(path: String) -> String {
    match path.trim_end_matches('/') {
        "" => "/".into(),
        path => path.into(),
    }
}

/// The mount table, empty where it cannot be read: then every file system is taken for one that may hang.
fn mounts(root: &Root) -> Vec<MountEntry> {
    with_spaces(root.seen_by_machine("mounts").unwrap_or_default())
}

/// The kernel writes a space as `\040`, which procfs 0.18 leaves as it is.
fn with_spaces(mut mounts: Vec<MountEntry>) -> Vec<MountEntry> {
    for mount in &mut mounts {
        mount.fs_file = mount.fs_file.replace(r"\040", " ");
    }
    mounts
}

/// `/` and each writable local disk, where it is mounted first. Containers have files mounted too; those are no disks.
fn local_disks(root: &Root, mounts: &[MountEntry]) -> Vec<String> {
    let of_top = mounts.iter().find(|mount| mount.fs_file == "/").map(|mount| &*mount.fs_spec);
    let mut devices: HashSet<&str> = of_top.into_iter().collect();
    let mut paths = vec!["/".to_owned()];
    for mount in mounts {
        let writable = !mount.fs_mntops.contains_key("ro");
        let local = LOCAL.contains(&&*mount.fs_vfstype) && answers_at_once(&mount.fs_file, mounts);
        if writable && local && root.below(&mount.fs_file).is_dir() && devices.insert(&mount.fs_spec) {
            paths.push(mount.fs_file.clone());
        }
    }
    paths
}

/// Whether nothing on the way to the path can hang: it is itself the mount point of a local disk, and so are all above
/// it. Other paths may be links to anywhere.
fn answers_at_once(path: &str, mounts: &[MountEntry]) -> bool {
    // Of two mounted at one place the later is on top.
    let Some(own) = mounts.iter().rev().find(|mount| mount.fs_file == path) else { return false };
    let harmless = |mount: &MountEntry| LOCAL.contains(&&*mount.fs_vfstype) || matches!(&*mount.fs_vfstype, "overlay" | "tmpfs" | "ramfs");
    let above = |mount: &&MountEntry| mount.fs_file == "/" || path.strip_prefix(&*mount.fs_file).is_some_and(|rest| rest.starts_with('/'));
    harmless(own) && mounts.iter().filter(above).all(harmless)
}

async fn look(
    real: PathBuf,
    path: String,
    patient: Option<Patient<Answer>>,
    within: Duration,
) -> (String, Option<Patient<Answer>>, Reading) {
    let target = Target::new(path.as_str());
    let Some(mut patient) = patient else {
        let reading = reading(&target, statvfs(&real));
        return (path, None, reading);
    };
    let reading = match patient.ask(move || statvfs(&real), within).await {
        Ok(answer) => reading(&target, answer),
        Err(NoAnswer::Waiting(waited)) => {
            Reading::unknown(&target, format!("the file system at {path} has not answered for {} s", shortly(waited)))
        }
        Err(NoAnswer::NoThread(error)) => Reading::unknown(&target, format!("cannot ask the file system at {path}: {error}")),
    };
    (path, Some(patient), reading)
}

/// Whole seconds, and tenths below ten.
fn shortly(time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds < 10.0 { (seconds * 10.0).round() / 10.0 } else { seconds.round() }
}

fn reading(target: &Arc<Target>, answer: Answer) -> Reading {
    let path = &target.key;
    match answer {
        Ok(space) => with_space(Reading::pass(target), &space),
        Err(Errno::NOENT | Errno::NOTDIR) => Reading::fail(target, format!("there is no {path}")),
        // Ours, not the disk's: we are not let in, or have no room to ask.
        Err(error @ (Errno::ACCESS | Errno::PERM | Errno::NOMEM | Errno::NFILE | Errno::MFILE)) => {
            Reading::unknown(target, format!("cannot ask the file system at {path}: {error}"))
        }
        Err(error) => Reading::fail(target, format!("the file system at {path} answers: {error}")),
    }
}

/// Adds the metrics. Blocks kept for root count neither as used nor as left, as with `df`.
fn with_space(reading: Reading, space: &StatVfs) -> Reading {
    let used = space.f_blocks.saturating_sub(space.f_bfree);
    let reading = reading
        .with("disk", 100.0 * used as f64 / (used + space.f_bavail) as f64)
        .with("disk_left", space.f_bavail as f64 * space.f_frsize as f64);
    if space.f_files == 0 {
        // Such as btrfs, which makes inodes as it needs them.
        return reading;
    }
    reading.with("inodes", 100.0 * space.f_files.saturating_sub(space.f_ffree) as f64 / space.f_files as f64)
}

#[cfg(test)]
mod tests {
    use procfs::FromRead;

    use super::*;

    fn table(text: &str) -> Vec<MountEntry> {
        with_spaces(FromRead::from_read(text.as_bytes()).unwrap())
    }

    const SERVER: &str = "\
        proc /proc proc rw,nosuid 0 0\n\
        /dev/sda2 / ext4 rw,relatime 0 0\n\
        tmpfs /run tmpfs rw 0 0\n\
        /dev/sda1 /boot vfat rw 0 0\n\
        /dev/sdb1 /srv/my\\040data xfs rw 0 0\n\
        /dev/sdb1 /srv/again xfs rw 0 0\n\
        /dev/loop0 /snap/core squashfs ro 0 0\n\
        /dev/sdc1 /media/backup ext4 ro 0 0\n\
        files:/export /mnt/nfs nfs4 rw 0 0\n\
        /dev/sdd1 /mnt/nfs/below ext4 rw 0 0\n";

    #[test]
    fn what_is_looked_at_by_itself() {
        let folder = tempfile::TempDir::new().unwrap();
        for path in ["boot", "srv/my data", "srv/again", "snap/core", "media/backup", "mnt/nfs/below"] {
            std::fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        let root = Root(folder.path().into());
        assert_eq!(local_disks(&root, &table(SERVER)), ["/", "/boot", "/srv/my data"]);
        let container = "overlay / overlay rw 0 0\n/dev/sda1 /etc/hosts ext4 rw 0 0\n/dev/sdb1 /boot ext4 rw 0 0\n";
        assert_eq!(local_disks(&root, &table(container)), ["/", "/boot"]);
        assert_eq!(local_disks(&root, &[]), ["/"]);
    }

    #[test]
    fn what_can_hang() {
        let at_once = |path| answers_at_once(path, &table(SERVER));
        for path in ["/", "/boot", "/srv/again", "/run"] {
            assert!(at_once(path), "{path}");
        }
        for path in ["/mnt/nfs", "/mnt/nfs/below", "/mnt", "/srv", "/nowhere"] {
            assert!(!at_once(path), "{path}");
        }
        let over = format!("{SERVER}files:/boot /boot nfs rw 0 0\n");
        assert!(!answers_at_once("/boot", &table(&over)));
    }

    #[test]
    fn space_is_counted_as_df_does() {
        let of = |blocks, free, available, files, files_free| {
            let mut space = statvfs("/").unwrap();
            (space.f_blocks, space.f_bfree, space.f_bavail, space.f_frsize) = (blocks, free, available, 4096);
            (space.f_files, space.f_ffree) = (files, files_free);
            let reading = with_space(Reading::pass(&Target::itself()), &space);
            (reading.value("disk"), reading.value("disk_left"), reading.value("inodes"))
        };
        // 5 of 100 blocks are kept for root: 60 used of 95.
        assert_eq!(of(100, 40, 35, 200, 50), (Some(100.0 * 60.0 / 95.0), Some(35.0 * 4096.0), Some(75.0)));
        assert_eq!(of(100, 5, 0, 0, 0), (Some(100.0), Some(0.0), None));
        assert_eq!(of(0, 0, 0, 0, 0), (None, Some(0.0), None));
    }

    #[test]
    fn refusals() {
        let of = |error| format!("{:?}", reading(&Target::new("/data"), Err(error)).outcome);
        assert_eq!(of(Errno::NOENT), r#"Fail("there is no /data")"#);
        assert_eq!(of(Errno::IO), r#"Fail("the file system at /data answers: Input/output error (os error 5)")"#);
        assert_eq!(of(Errno::NOTCONN), r#"Fail("the file system at /data answers: Transport endpoint is not connected (os error 107)")"#);
        assert_eq!(of(Errno::ACCESS), r#"Unknown("cannot ask the file system at /data: Permission denied (os error 13)")"#);
    }
}
