//! F04: the power goes. A file system of its own under state and logs, copied as the disk has it at that moment.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process_group};

use super::kills::storm;
use super::lives::Lives;
use super::{figure, long};
use crate::program::{Program, left_out};

#[test]
fn a_power_cut_loses_nothing() {
    if !may_mount() {
        return left_out("a_power_cut_loses_nothing", "it needs root, mkfs.ext4 and a loop device, for a disk to cut off");
    }
    let cuts = if long() { 150 } else { 8 };
    let mut disk = None;
    let figures =
        storm(cuts, 11, "state_dir: disk/state\nlog: { dir: disk/logs, status_every: 1s }\n", |lives| disk = Some(Disk::new(lives)), cut);
    figure("power cuts", &format!("{figures:?}"));
}

/// What was not synced is gone, as far as the disk had not written it by itself.
fn cut(lives: &mut Lives, program: Program) {
    let group = Pid::from_child(&program.child);
    // Nothing changes while it is copied.
    kill_process_group(group, Signal::STOP).unwrap();
    let (image, copy) = (lives.place.path("disk.img"), lives.place.path("copy.img"));
    fs::copy(&image, &copy).unwrap();
    kill_process_group(group, Signal::KILL).unwrap();
    drop(program);
    let disk = lives.place.path("disk");
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    fs::rename(&copy, &image).unwrap();
    assert!(mount(&image, &disk), "the disk is sound after the cut");
    lives.is_dead();
    torn_lines(disk.join("logs"));
}

/// A log may lose its tail and nothing else.
fn torn_lines(logs: PathBuf) {
    for entry in fs::read_dir(logs).into_iter().flatten() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        // One watch may have ended in the middle of a line, and the next one begun behind it.
        let bad = whole.lines().filter(|line| line.contains('\0')).count();
        assert_eq!(bad, 0, "{}: {text:?}", path.display());
    }
}

/// A small ext4 in a file, mounted for as long as this lives.
struct Disk(PathBuf);

impl Disk {
    fn new(lives: &Lives) -> Self {
        let (image, folder) = (lives.place.path("disk.img"), lives.place.path("disk"));
        fs::create_dir(&folder).unwrap();
        let made = make(&image) && mount(&image, &folder);
        assert!(made);
        Self(folder)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The folder of the test goes anyway.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn may_mount() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let (image, disk) = (folder.path().join("disk.img"), folder.path().join("disk"));
    fs::create_dir(&disk).unwrap();
    let mounted = make(&image) && mount(&image, &disk);
    if mounted {
        assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    }
    mounted
}

fn make(image: &PathBuf) -> bool {
    let file = fs::File::create(image).unwrap();
    file.set_len(8 << 20).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image).output();
    made.is_ok_and(|output| output.status.success())
}

/// What is not synced stays in memory for long.
fn mount(image: &PathBuf, folder: &PathBuf) -> bool {
    let mounted = Command::new("mount").args(["-t", "ext4", "-o", "loop,noauto_da_alloc,commit=300"]).arg(image).arg(folder).output();
    mounted.is_ok_and(|output| output.status.success())
}
